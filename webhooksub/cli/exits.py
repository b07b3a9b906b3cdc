"""How commands end: the one list of exit codes, which the help and the documents repeat."""

from enum import IntEnum


class Exit(IntEnum):
    """Scripts rely on these numbers: append only."""

    FINE = 0
    UNWELL = 1
    WRONG = 2
    INTERRUPTED = 130

    @classmethod
    def of(cls, fine: bool) -> "Exit":
        """What was looked at, or tried, is fine or it is not."""
        return cls.FINE if fine else cls.UNWELL


MEANINGS = {
    Exit.FINE: "all is well",
    Exit.UNWELL: "something is lost, unhealthy, not delivered, not verified or would no longer "
    "be heard, or the store did not answer",
    Exit.WRONG: "the command, one of its arguments or a setting is wrong, or names nothing",
    Exit.INTERRUPTED: "Ctrl-C",
}


def explained() -> str:
    """A sentence for the help."""
    return "Exit codes: " + "; ".join(f"{int(c)} {m}" for c, m in MEANINGS.items()) + "."
