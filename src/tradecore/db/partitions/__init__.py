"""Partitions on PostgreSQL by ranges of the id, which carries the time; a plain table everywhere else.

There is no default partition: a row for a month that nobody prepared is refused, since a default one would keep the
right partition from ever being made.
"""

from typing import TYPE_CHECKING

from ..._lazy import lazy
from .making import ENOUGH_AHEAD, Partition, ahead, create, create_for, missing_for, names_of, period, plan

if TYPE_CHECKING:
    from .archives import verify
    from .periods import Listed, inventory, over
    from .pruning import during
    from .retirement import Retired, archive, detach, retire
    from .unarchiving import restore

__all__ = [
    "ENOUGH_AHEAD",
    "Listed",
    "Partition",
    "Retired",
    "ahead",
    "archive",
    "create",
    "create_for",
    "detach",
    "during",
    "inventory",
    "missing_for",
    "names_of",
    "over",
    "period",
    "plan",
    "restore",
    "retire",
    "verify",
]

# ``Base`` makes partitions, and stands below what retires them.
_UPSTAIRS = {
    "Listed": ".periods",
    "Retired": ".retirement",
    "archive": ".retirement",
    "detach": ".retirement",
    "during": ".pruning",
    "inventory": ".periods",
    "over": ".periods",
    "restore": ".unarchiving",
    "retire": ".retirement",
    "verify": ".archives",
}
__getattr__ = lazy(__name__, _UPSTAIRS, globals())
