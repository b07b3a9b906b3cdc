"""Starts a dispatcher on FOLDER/hooks.db and lets it do what there is to do.

    restart.py FOLDER

The endpoints of the first process are gone with it: what was not delivered becomes a
delivery that waits for its next attempt.
"""

import sys
from datetime import timedelta
from pathlib import Path

from webhooksub import Dispatcher, allow_all

FLUSH = timedelta(seconds=30)


def main(folder: Path) -> None:
    with Dispatcher(f"sqlite:///{folder / 'hooks.db'}", authorizer=allow_all, dev=True) as hooks:
        hooks.flush(timeout=FLUSH.total_seconds())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
