"""What the process that workers are forked from imports: whatever every worker would do first is done once, here."""

from __future__ import annotations

from sqlalchemy.orm import configure_mappers

from . import worker

__all__ = ["worker"]

configure_mappers()
