"""``python -m webhooksub`` is the command ``webhooksub``."""

from .cli import main

main(prog_name="webhooksub")
