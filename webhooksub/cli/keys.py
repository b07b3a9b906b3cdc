"""``rotate-keys``: the keys that seal what is secret in a store."""

from dataclasses import asdict

import click

from .options import database_option, json_option, publisher
from .output import Screen


@click.command(name="rotate-keys")
@database_option
@json_option
def rotate_keys(database: str, as_json: bool) -> None:
    """Seal every integrity key by the first key of the keyring.

    While others work, in small transactions; begun again it goes on where it ended. Ends with
    1 when a key could not be opened: its subscription is told.
    """
    with Screen(as_json) as screen, publisher(database) as hooks:

        def tell(done: int, total: int) -> None:
            screen.progress("sealed", done, total)

        rotated = hooks.rotate_keys(tell)
        rows: list[tuple[str, object]] = [
            ("first key of the keyring", str(rotated.key_id)),
            ("integrity keys", rotated.looked_at),
            ("of them sealed anew", rotated.sealed),
            ("subscriptions whose key cannot be opened", len(rotated.unreadable)),
        ]
        screen.answer(asdict(rotated), rows)
    for id_ in rotated.unreadable:
        click.echo(f"cannot be opened: the key of subscription {id_}", err=True)
    click.get_current_context().exit(1 if rotated.unreadable else 0)
