"""Health: probes that are cached, time-boxed and never asked twice at once, and the report made of them."""

from __future__ import annotations

from .monitor import AsyncHealth, Health
from .probes import Finding, Probe
from .report import Report

__all__ = ["AsyncHealth", "Finding", "Health", "Probe", "Report"]
