"""The schema's history and the tools that apply and check it: two branches, ``core`` and ``platform``."""

from .drift import check
from .upgrading import current, downgrade, losses, upgrade, upgrade_async

__all__ = ["check", "current", "downgrade", "losses", "upgrade", "upgrade_async"]
