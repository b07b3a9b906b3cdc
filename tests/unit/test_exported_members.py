"""What a module says is public is all of it, in order, and there."""

import ast
import inspect
from importlib import import_module
from types import ModuleType

import pytest

import webhooksub
from webhooksub import errors

MODULES = ["webhooksub", "webhooksub.catalogs", "webhooksub.testing"]


def names_of(module: ModuleType) -> set[str]:
    """What the module's source imports from the package, if it is the package itself, or
    else defines, without what begins with an underscore."""
    names = set()
    is_package = module is webhooksub
    for node in ast.parse(inspect.getsource(module)).body:
        if is_package and isinstance(node, ast.ImportFrom) and node.level:
            names |= {name.asname or name.name for name in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("name", MODULES)
def test_what_is_public_is_complete_in_order_and_there(name: str) -> None:
    module = import_module(name)
    assert module.__all__ == sorted(module.__all__)
    assert names_of(module) <= set(module.__all__)
    assert all(hasattr(module, public) for public in module.__all__)
    assert set(module.__all__) <= set(dir(module))


def test_every_error_can_be_caught_by_its_name() -> None:
    tree = {error for _, error in inspect.getmembers(errors, inspect.isclass)}
    tree = {error for error in tree if issubclass(error, errors.WebhooksubError)}
    assert len(tree) > 10
    assert all(getattr(webhooksub, error.__name__) is error for error in tree)
