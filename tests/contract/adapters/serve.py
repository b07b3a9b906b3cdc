"""`webhooksub serve` in a process of its own, beside the dispatcher of the same store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from commands import Running
from world import AUDIENCE, ISSUER, MEMBER, SECRET

from webhooksub import Dispatcher
from webhooksub.claims import Caller

HERE = Path(__file__).parent
# A sabotage is put in there as well.
_CODE = (
    f"import sys; sys.path.insert(0, {str(HERE.parent)!r})\n"
    "import sabotage; sabotage.put_in().__enter__()\n"
    "from webhooksub.cli import main; main()"
)


@contextmanager
def serve(hooks: Dispatcher, folder: Path) -> Iterator[str]:
    """The address of the document, while it is served."""
    key = folder / "jwt.key"
    key.write_text(SECRET)
    options = ["--listen", "127.0.0.1:0", "--api-only"]
    options += ["--database", f"sqlite:///{folder / 'hooks.db'}", "--synchronous", "NORMAL"]
    options += ["--jwt-key-file", str(key), "--algorithm", "HS256"]
    options += ["--issuer", ISSUER, "--audience", AUDIENCE, "--authorizer", "world:members"]
    options += ["--connect-timeout-ms", "200", "--total-timeout-ms", "500"]
    # An endpoint of the world's is on any port.
    [info] = hooks.subscriptions(actor=Caller(MEMBER, frozenset()))
    assert info.subscription is not None
    options += ["--ports", str(urlsplit(info.subscription.notification_url or "").port)]
    with Running("-c", _CODE, "serve", *options, folder=folder) as process:
        yield process.wait_to_say(r"serving (http://\S+)/docs")[1] + "/openapi.json"
