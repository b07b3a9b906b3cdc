import pickle
import re

import pytest

from webhooksub import errors
from webhooksub.errors import FieldError, ValidationError, WebhooksubError

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, WebhooksubError)
]


def test_the_tree_in_the_docstring_names_every_class_and_its_bases() -> None:
    drawn = re.findall(r"[├└]── (\w+)(?: +\((\w+)\))?", errors.__doc__ or "")
    actual = [
        (cls.__name__, "".join(base.__name__ for base in cls.__bases__[1:]))
        for cls in CLASSES
        if cls is not WebhooksubError
    ]
    assert drawn == actual


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_pickles(cls: type[WebhooksubError]) -> None:
    error = (
        ValidationError.of("url", "scheme", "must be https") if cls is ValidationError else cls("x")
    )
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == str(error)
    assert copy.args == error.args


def test_a_validation_error_tells_every_mistake() -> None:
    error = ValidationError(
        [FieldError("resource", "required", "is required"), FieldError("", "syntax", "is no JSON")]
    )
    assert error.errors[1].code == "syntax"
    assert str(error) == "resource: is required; is no JSON"
    assert pickle.loads(pickle.dumps(error)).errors == error.errors


def test_a_field_error_is_a_frozen_value() -> None:
    with pytest.raises(AttributeError):
        FieldError("a", "b", "c").code = "d"  # type: ignore[misc]
    assert FieldError("a", "b", "c") == FieldError("a", "b", "c")
