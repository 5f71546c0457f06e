"""Doors from what the parts tell to what watches them: structlog, Prometheus, OpenTelemetry; each loaded only if used.

Import from the module: ``from tradecore.telemetry.prometheus import count``.
"""
