"""The customer of the tests: one drawer of the tenant acme."""

from collections.abc import Callable

from webhooksub import Dispatcher

RECORDS = "tenant/acme/sidedrawer/s1/record"
PATH = RECORDS + "/r1"
KEY = "k" * 32

Make = Callable[..., Dispatcher]
