"""The demo: real signals through a broker that misbehaves and workers that are killed, and then everything counted."""

from __future__ import annotations

from .run import Settings, run_demo

__all__ = ["Settings", "run_demo"]
