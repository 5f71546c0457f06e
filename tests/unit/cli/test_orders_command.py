"""`tradecore orders` and `tradecore worker`: the operator's hands at three in the morning."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.journey import World, entry, world

from tradecore.cli import main
from tradecore.cli.worker import _has_rules
from tradecore.models import Inbox
from tradecore.orders import routing
from tradecore.orders.setup import Rule
from tradecore.trading import Submission


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[tuple[World, str]]:
    """A world with one order in review, and its database's address."""
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    with world(url, profile="loose") as w:
        w.sim.loses_request(times=1)
        w.core.accept(entry("s-1"))
        w.settle(120, step=5)
        assert w.order("s-1").submission is Submission.REVIEW
        yield w, url


def run(url: str, *words: str) -> int:
    return main(["orders", "--database", url, *words])


def test_what_is_stuck_is_listed_with_its_reason(stuck: tuple[World, str], capsys: pytest.CaptureFixture[str]) -> None:
    w, url = stuck
    assert run(url, "list", "--stuck") == 0
    shown = capsys.readouterr().out
    assert w.order("s-1").client_order_id in shown
    assert "does not refuse a second one" in shown
    assert run(url, "list", "--submission", "recorded") == 0
    assert "no orders" in capsys.readouterr().out


def test_the_database_may_stand_before_or_behind_the_verb(
    stuck: tuple[World, str], capsys: pytest.CaptureFixture[str]
) -> None:
    w, url = stuck
    order = w.order("s-1").client_order_id
    for words in (["--database", url, "--json", "show", order], ["show", order, "--database", url, "--json"]):
        assert main(["orders", *words]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[0])["client_order_id"] == order


def test_a_signal_without_an_order_is_told_why(stuck: tuple[World, str], capsys: pytest.CaptureFixture[str]) -> None:
    w, url = stuck
    w.core.accept({"id": "s-flat", "strategy": "default", "action": "flat", "symbol": "KO"})
    assert run(url, "list", "--signal", "s-flat") == 0
    assert "not routed yet" in capsys.readouterr().err
    w.core.run_due()
    assert run(url, "list", "--signal", "s-flat") == 0
    assert "NOTHING_TO_CLOSE" in capsys.readouterr().err
    assert run(url, "list", "--signal", "nobody's") == 0
    assert "no signal" in capsys.readouterr().err


def test_a_list_that_may_go_on_says_so(stuck: tuple[World, str], capsys: pytest.CaptureFixture[str]) -> None:
    _, url = stuck
    assert run(url, "list", "--limit", "1") == 0
    assert "--limit" in capsys.readouterr().out
    assert run(url, "list") == 0
    assert "--limit" not in capsys.readouterr().out


def test_one_order_is_shown_with_every_move(stuck: tuple[World, str], capsys: pytest.CaptureFixture[str]) -> None:
    w, url = stuck
    order = w.order("s-1").client_order_id
    assert run(url, "show", order) == 0
    moves = re.findall(r"^ +(\d+) ", capsys.readouterr().out, re.M)
    assert moves == [str(number) for number in range(1, len(w.core.orders.ledger(order)) + 1)]
    assert main(["orders", "--database", url, "--json", "show", order]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["client_order_id"] == order
    assert lines[-1]["target"] == "review"


def test_a_review_needs_a_note_and_a_second_word_at_a_loose_broker(
    stuck: tuple[World, str], capsys: pytest.CaptureFixture[str]
) -> None:
    w, url = stuck
    order = w.order("s-1").client_order_id
    with pytest.raises(SystemExit):
        run(url, "review", order, "send_again")
    assert run(url, "review", order, "send_again", "--note", "books are empty", "--actor", "ada") == 2
    assert "allow_second_send" in capsys.readouterr().err
    assert run(url, "review", order, "rejected", "--note", "books are empty", "--actor", "ada") == 0
    assert w.order("s-1").submission is Submission.REJECTED


def test_a_cancel_is_recorded_once(stuck: tuple[World, str], capsys: pytest.CaptureFixture[str]) -> None:
    w, url = stuck
    w.core.accept(entry("s-2", symbol="KO", order_type="limit", limit_price="1"))
    w.core.run_due()
    order = w.order("s-2").client_order_id
    assert run(url, "cancel", order) == run(url, "cancel", order) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[0] == second.split()[0]
    (cancel,) = [view for view in w.core.orders.list() if view.intent == "cancel"]
    assert cancel.client_order_id == first.split()[0]


def test_an_unknown_order_and_a_missing_database_are_said_plainly(
    stuck: tuple[World, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = stuck
    assert run(url, "show", "nothing") == 2
    assert "there is no order" in capsys.readouterr().err
    monkeypatch.delenv("TRADECORE_DATABASE_URL", raising=False)
    assert main(["orders", "list"]) == 2
    assert "TRADECORE_DATABASE_URL" in capsys.readouterr().err


def test_a_database_that_is_not_migrated_says_so_and_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"sqlite:///{tmp_path / 'empty.db'}", "list") == 2
    assert "tradecore db upgrade" in capsys.readouterr().err


def test_a_worker_without_its_broker_lists_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("APCA_API_KEY_ID", raising=False)
    monkeypatch.delenv("APCA_API_SECRET_KEY", raising=False)
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    assert main(["worker", "--database", url]) == 2
    assert "--broker" in capsys.readouterr().err
    assert main(["worker", "--database", "oracle://desk", "--broker", "alpaca", "--broker", "nowhere"]) == 2
    said = capsys.readouterr().err
    for problem in ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "'nowhere'", "'oracle' is not supported"):
        assert said.count(problem) == 1  # a wrong address, key and name: all at once, and each once


def test_a_worker_with_neither_route_nor_rule_refuses_and_leaves_the_signal(
    stuck: tuple[World, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    w, url = stuck
    monkeypatch.setenv("APCA_API_KEY_ID", "any")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "any")
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process keeps its own
    w.core.accept(entry("s-2"))
    assert main(["worker", "--database", url, "--broker", "alpaca"]) == 2
    assert "--route" in capsys.readouterr().err
    assert not w.core.db.run(_has_rules)
    w.core.setup(rules=[Rule(broker="alpaca")])
    assert w.core.db.run(_has_rules)  # and with a rule it would serve
    w.settle(120, step=5)
    assert w.order("s-2").symbol == "AAPL"


def test_a_worker_serves_and_stops_on_a_signal(stuck: tuple[World, str]) -> None:
    _, url = stuck
    environment = {
        **os.environ,
        "APCA_API_KEY_ID": "any",
        "APCA_API_SECRET_KEY": "any",
        "APCA_API_BASE_URL": "http://127.0.0.1:9",
    }
    worker = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tradecore",
            "worker",
            "--database",
            url,
            "--broker",
            "alpaca",
            "--route",
            "alpaca",
            "--poll",
            "0.1",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    try:
        assert worker.stdout is not None
        assert worker.stdout.readline().startswith("worker ready")
        worker.send_signal(signal.SIGTERM)
        rest, _ = worker.communicate(timeout=30)
    finally:
        worker.kill()
    assert worker.returncode == 0
    assert "stopping" in rest


def test_dead_letters_are_listed_and_driven_again(
    stuck: tuple[World, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    w, url = stuck
    assert run(url, "dead") == 0
    assert "no dead letters" in capsys.readouterr().out
    w.core.accept(entry("s-9"))
    # As a release wrote it that did not refuse such ids yet.
    w.core.db.run(
        lambda session: session.execute(update(Inbox).where(Inbox.signal_id == "s-9").values(signal_id="s-9\u200b"))
    )
    with monkeypatch.context() as patch:
        patch.setattr(routing, "_destinations", lambda *_: 1 / 0)
        for _ in range(8):
            with pytest.raises(ZeroDivisionError):
                w.core.run_due()
            w.clock.advance(60)
    assert run(url, "dead") == 0
    shown = capsys.readouterr().out
    assert "s-9?" in shown  # nothing a sender wrote steers the terminal
    assert "ZeroDivisionError" in shown
    assert run(url, "redrive", shown.split()[0], "--note", "mended") == 0
    assert run(url, "redrive", "nothing", "--note", "mended") == 2
    assert main(["orders", "dead", "--database", url, "--json"]) == 0
    assert main(["orders", "redrive", "nothing", "--note", "mended", "--database", url]) == 2
