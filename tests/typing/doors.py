"""What checkers see of the doors, the health room and the plugin: run by mypy and pyright, never by Python."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import assert_type

from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette

from tradecore import AsyncTradeCore, TradeCore
from tradecore.flow import Flow, Work
from tradecore.health import AsyncHealth, Finding, Health, Probe, Report
from tradecore.web import asgi, starlette, wsgi
from tradecore.web.fastapi import install
from tradecore.web.flask import init_app


def doors(core: TradeCore, async_core: AsyncTradeCore) -> None:
    install(FastAPI(), async_core, max_body=65_536, health=None)
    install(FastAPI(), core, trusted_proxies=["10.0.0.0/8"])
    starlette.install(Starlette(), async_core, health_details=True)
    init_app(Flask(__name__), core)
    asgi.Door(FastAPI(), async_core, reraise=True)
    wsgi.Door(Flask(__name__), core, before=core.open)


def wrong_doors(core: TradeCore, async_core: AsyncTradeCore) -> None:
    install(FastAPI(), object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    install(FastAPI(), core, max_size=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    asgi.Door(FastAPI(), core, max_body="1 MiB")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def _nothing() -> None:
    return None


def as_flow() -> Flow[Finding]:
    yield from Work(lambda session: None)
    return Finding("healthy")


async def awaited() -> Finding:
    return Finding("degraded", "slow")


async def health(core: TradeCore, async_core: AsyncTradeCore) -> None:
    assert_type(core.health, Health)
    assert_type(async_core.health, AsyncHealth)
    core.health.add(Probe("flow", as_flow, critical=False))
    core.health.add(Probe("plain", lambda: Finding("healthy")))
    async_core.health.add(Probe("async", awaited))
    core.health.add(Probe("nothing", _nothing))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(core.health.report("live"), Report)
    assert_type(await async_core.health.report("ready"), Report)
    core.health.report("alive")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Finding("fine")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
