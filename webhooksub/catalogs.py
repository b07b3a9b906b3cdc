"""Catalogs: which resources can be subscribed to, and which changes each covers.

:data:`SIDEDRAWER` is the catalog of the SideDrawer reference. The reference says how many of
the four modifications each resource offers, but not which are left out: that choice is ours
(what exists already cannot be created; plans and licenses change and are not deleted).
:data:`SIDEDRAWER_WIDE` covers every change instead. Other paths:
``Catalog.of("repos/{owner}/{repo}/issues/{number}")``.
"""

from collections.abc import Iterable
from typing import Final

from ._core import Catalog

__all__ = ["Catalog", "SIDEDRAWER", "SIDEDRAWER_WIDE"]

_Actions = tuple[str, ...]
_Rule = tuple[str, _Actions]
_Row = tuple[str, tuple[_Rule, ...]]

_EVERY: Final = ("create", "update", "delete")
_ITSELF: Final = ("update", "delete")

_DRAWERS = "tenant/{tenantId}/sidedrawer"
_DRAWER = _DRAWERS + "/{sidedrawerId}"
_RECORD = _DRAWER + "/record/{recordId}"
_PLANS = _DRAWER + "/plan-request"
_PLAN = _PLANS + "/{planRequestId}"
_ITEM = _PLAN + "/item/{planItemId}"
_PERSON = "tenant/{tenantId}/network/{openId}"
_LICENSES = "subscription/{subscriptionid}/license"

_ROWS: Final[tuple[_Row, ...]] = (
    (_DRAWERS, ((_DRAWER, _EVERY),)),
    (_DRAWER + "/record", ((_RECORD, _EVERY),)),
    (_RECORD, ((_RECORD, _ITSELF),)),
    (_RECORD + "/network", ((_RECORD + "/network/{networkId}", _EVERY),)),
    (_RECORD + "/files", ((_RECORD + "/files/{fileId}", _EVERY),)),
    (_DRAWER + "/inbox", ((_DRAWER + "/inbox/{inboxId}", _EVERY),)),
    (_DRAWER + "/network", ((_DRAWER + "/network/{networkId}", _EVERY),)),
    (_PLANS, ((_PLAN, _EVERY), (_ITEM, _EVERY))),
    (_PLAN, ((_ITEM, _EVERY), (_PLAN, ("update",)))),
    (_PLAN + "/item", ((_ITEM, _EVERY),)),
    (_ITEM, ((_ITEM, _ITSELF),)),
    (_PERSON, ((_PERSON, _EVERY),)),
    (_LICENSES, ((_LICENSES + "/{licenseId}", ("create", "update")),)),
)


def _widened(rows: Iterable[_Row]) -> tuple[_Row, ...]:
    return tuple(
        (resource, tuple((entity, _EVERY) for entity, _ in rules)) for resource, rules in rows
    )


SIDEDRAWER: Final = Catalog(_ROWS)
SIDEDRAWER_WIDE: Final = Catalog(_widened(_ROWS))
