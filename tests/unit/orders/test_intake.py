"""What comes in: kept once, answered alike, refused by name, and always on record."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.journey import World, entry, world

from tradecore import Receipt, Side, Signal
from tradecore.audit import AuditEntry
from tradecore.context import bind
from tradecore.db import Base
from tradecore.errors import CommitUnknown, ConfigurationError, Conflict, InvalidInput, NotFound, TradeCoreError
from tradecore.flow import Work
from tradecore.models import Inbox, Job, WebhookLog
from tradecore.trading.signals import canonical_signal


@pytest.fixture
def w() -> Any:
    with world() as made:
        yield made


def count(w: World, model: type[Base]) -> int:
    with w.core.db.transaction() as session:
        return int(session.execute(select(func.count()).select_from(model)).scalar_one())


def logs(w: World) -> list[tuple[str, str | None]]:
    with w.core.db.transaction() as session:
        rows = session.execute(select(WebhookLog).order_by(WebhookLog.id)).scalars()
        return [(str(row.status), row.error_code) for row in rows]


def body(**changes: Any) -> bytes:
    fields = {"id": "s-1", "strategy": "default", "action": "entry", "side": "buy", "symbol": "AAPL", "quantity": "10"}
    return json.dumps({k: v for k, v in {**fields, **changes}.items() if v is not ...}).encode()


def test_the_receipt_is_durable_and_a_repeat_gets_it_again(w: World) -> None:
    first = w.core.accept(body())
    again = w.core.accept(body())
    assert first == Receipt(id=first.id, signal_id="s-1", received_at=w.clock.now())
    assert not first.duplicate
    assert again == first.again()
    assert count(w, Inbox) == count(w, Job) == 1
    assert logs(w) == [("received", None), ("duplicate", None)]


def test_bytes_mapping_and_signal_mean_the_same(w: World) -> None:
    first = w.core.accept(body())
    assert w.core.accept(json.loads(body())).id == first.id
    assert w.core.accept(Signal.market("s-1", "AAPL", Side.BUY, 10)).id == first.id
    assert w.core.accept(body(quantity="10.000")).id == first.id
    assert w.core.accept(b" " + body() + b"\n").id == first.id


def test_another_meaning_under_the_same_id_is_a_conflict_that_names_both(w: World) -> None:
    w.core.accept(body())
    with pytest.raises(Conflict) as conflict:
        w.core.accept(body(quantity="11"))
    assert "s-1" in conflict.value.message
    assert conflict.value.details[1]["first_sha256"] != conflict.value.details[1]["this_sha256"]
    assert logs(w)[-1] == ("rejected", "CONFLICT")
    assert count(w, Inbox) == 1


def test_another_source_is_another_signal(w: World) -> None:
    assert w.core.accept(body(), source="tradingview").id != w.core.accept(body(), source="api").id


BAD: list[tuple[Any, str]] = [
    (body(price=189.5), "price"),
    (body(quantity=10.5), "quantity"),
    (body(quantity="-1"), "quantity"),
    (body(quantity=0), "quantity"),
    (body(quantity="NaN"), "quantity"),
    (body(quantity="1e400"), "quantity"),
    (body(quantity=True), "quantity"),
    (body(quantity=...), ""),
    (body(side="hold"), "side"),
    (body(side=...), ""),
    (body(symbol="X" * 300), "symbol"),
    (body(symbol="A\nB"), "symbol"),
    (body(id=...), "id"),
    (body(id=""), "id"),
    (body(id=" s-1"), "id"),
    (body(id=7), "id"),
    (body(id="x" * 129), "id"),
    (body(action="buy"), "action"),
    (body(colour="red"), "colour"),
    (body(at="yesterday"), "at"),
    (body(at="2026-11-20T10:00:00"), "at"),
    (body(at=1763633456), "at"),
    (body(order_type="limit"), ""),
    (body(order_type="trailing_stop"), ""),
    (body(limit_price="10"), ""),
    (body(action="flat"), ""),
    (b"x" * 5_000_000, ""),
    (b'{"id": "s-1", ', ""),
    (b"[1, 2]", ""),
    (b"null", ""),
    (b"\xff\xfe", ""),
    (b"", ""),
    ({1: 2}, ""),
]


@pytest.mark.parametrize(("bad", "field"), BAD, ids=range(len(BAD)))
def test_what_is_no_signal_is_refused_by_field_and_claims_nothing(w: World, bad: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        w.core.accept(bad)
    assert field in [detail["field"] for detail in refused.value.details]
    assert refused.value.http_status == 422
    assert count(w, Inbox) == 0
    ((status, code),) = logs(w)
    assert (status, code) == ("rejected", "VALIDATION_ERROR")
    assert not w.core.accept(body()).duplicate  # the corrected resend, with the same id


@pytest.mark.parametrize("name", ["self", "cls", "data", "__init__", "model_config", "__class__"])
def test_a_field_of_any_name_is_refused_by_that_name(w: World, name: str) -> None:
    """``{"self": 1}`` was a TypeError: the parser's fields became the constructor's arguments."""
    for form in (body(**{name: 1}), json.loads(body(**{name: 1}))):
        with pytest.raises(InvalidInput) as refused:
            w.core.accept(form)
        assert refused.value.details[0]["field"] == name
    assert logs(w) == [("rejected", "VALIDATION_ERROR")] * 2


def test_any_kind_of_bytes_is_a_body(w: World) -> None:
    assert w.core.accept(memoryview(body())).id == w.core.accept(bytearray(body())).id  # type: ignore[arg-type]


def test_the_refusal_never_repeats_the_value(w: World) -> None:
    with pytest.raises(InvalidInput) as refused:
        w.core.accept(body(side="s3cr3t-value"))
    assert "s3cr3t-value" not in json.dumps(refused.value.as_dict())


def test_a_secret_in_what_is_no_signal_is_masked_whole(w: World) -> None:
    for secret in ({"password": "correct horse battery"}, {"key": "correct,horse;battery"}):
        with pytest.raises(InvalidInput):
            w.core.accept(body(**secret))
    with w.core.db.transaction() as session:
        kept = [json.dumps(log.payload) for log in session.execute(select(WebhookLog)).scalars()]
    assert len(kept) == 2
    assert not any(word in text for text in kept for word in ("correct", "horse", "battery"))


def test_a_body_made_to_be_searched_for_ever_is_kept_at_once(w: World) -> None:
    began = time.process_time()
    w.core.accept(body(meta={str(number): "a-" * 8_000 for number in range(15)}))
    assert time.process_time() - began < 5.0


def test_an_unknown_strategy_is_not_found_and_claims_nothing(w: World) -> None:
    with pytest.raises(NotFound) as missing:
        w.core.accept(body(strategy="momentum"))
    assert missing.value.details[0]["field"] == "strategy"
    assert logs(w) == [("rejected", "NOT_FOUND")]
    w.core.setup(strategies=["momentum"])
    assert not w.core.accept(body(strategy="momentum")).duplicate


def test_a_secret_in_the_body_is_masked_on_record(w: World) -> None:
    with pytest.raises(InvalidInput):
        w.core.accept(b'{"id": "s-1", "secret": "hunter2hunter2", ')
    w.core.accept(body(meta={"api_key": "hunter2hunter2", "note": "fine"}))
    with w.core.db.transaction() as session:
        kept = json.dumps([row.payload for row in session.execute(select(WebhookLog)).scalars()])
    assert "hunter2" not in kept
    assert "fine" in kept


def test_the_context_of_the_first_arrival_is_kept(w: World) -> None:
    with bind(request_id="req-0001", ip_address="192.0.2.7", user_agent="curl/8"):
        receipt = w.core.accept(body())
    with bind(request_id="req-0002"):
        assert w.core.accept(body()).request_id == receipt.request_id == "req-0001"
    with w.core.db.transaction() as session:
        first = session.execute(select(WebhookLog).order_by(WebhookLog.id).limit(1)).scalar_one()
        assert (first.request_id, first.ip_address, first.user_agent) == ("req-0001", "192.0.2.7", "curl/8")


def test_a_source_must_be_a_short_text(w: World) -> None:
    for source in ("", "x" * 101, "a\x00b", "a\nb", 7):
        with pytest.raises(InvalidInput):
            w.core.accept(body(), source=source)


@pytest.mark.parametrize("done", [True, False])
def test_an_unclear_commit_is_looked_at_and_the_signal_is_kept_once(w: World, done: bool) -> None:
    """The connection dies during COMMIT: whether it was done or not, one row stands and the receipt is the first."""
    perform, failed = w.core._perform, []

    def unclear(effect: Any) -> Any:
        if isinstance(effect, Work) and effect.fn.__name__ == "keep" and not failed:
            failed.append(1)
            if done:
                perform(effect)
            raise CommitUnknown
        return perform(effect)

    w.core._perform = unclear
    receipt = w.core.accept(body())
    assert not receipt.duplicate
    assert count(w, Inbox) == count(w, Job) == 1
    assert failed


def test_an_unopened_core_says_how_to_open_it() -> None:
    with world() as w:
        w.core.close()
        with pytest.raises(ConfigurationError, match="lifespan"):
            w.core.accept(body())


def test_canonical_form_ignores_spelling_only() -> None:
    assert canonical_signal(entry("s", "1.50")) == canonical_signal(entry("s", "1.5"))
    assert canonical_signal(entry("s", "1.5")) != canonical_signal(entry("s", "1.5", is_test=True))


def test_errors_are_of_one_family() -> None:
    assert issubclass(Conflict, TradeCoreError)
    assert AuditEntry.__tablename__ == "tc_audit_log"


def inbox(w: World) -> Inbox:
    with w.core.db.transaction() as session:
        found = session.execute(select(Inbox)).scalar_one()
        session.expunge(found)
        return found


def test_a_payload_is_sanitized_before_it_is_kept_and_the_report_stands_beside_it(w: World) -> None:
    note, deep = "<b>up</b> AT&T, price < 5", {"<i>k</i>": ["x\u202ey"]}
    w.core.accept(body(meta={"note": note, "deep": deep, "password": "<b>hunter2"}))
    kept = inbox(w)
    assert kept.signal["meta"] == {"note": "up AT&T, price < 5", "deep": {"k": ["xy"]}, "password": "hunter2"}
    assert [(change["pointer"], change["what"]) for change in kept.changes] == [
        ("/meta/note", "markup"),
        ("/meta/password", "markup"),
        ("/meta/deep/k", "key"),
        ("/meta/deep/k/0", "characters"),
    ]
    assert "hunter2" not in json.dumps(kept.changes)
    with w.core.db.transaction() as session:
        assert "<" not in json.dumps(session.execute(select(WebhookLog)).scalar_one().payload).replace("price < 5", "")
    w.core.run_due()


def test_what_needs_no_sanitizing_has_no_report(w: World) -> None:
    w.core.accept(body(meta={"note": "AT&T, price < 5, a\nb"}))
    assert inbox(w).changes is None


def test_a_repeat_is_compared_by_what_was_sent_and_not_by_what_was_left_of_it(w: World) -> None:
    first = w.core.accept(body(meta={"note": "<b>up</b>"}))
    assert w.core.accept(body(meta={"note": "<b>up</b>"})).id == first.id
    with pytest.raises(Conflict):
        w.core.accept(body(meta={"note": "up"}))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": "s-1\u200b"}, "id"),
        ({"id": "s-\u202e1"}, "id"),
        ({"strategy": "defa\u200bult"}, "strategy"),
        ({"symbol": "<b>AAPL</b>"}, "symbol"),
        ({"symbol": "AA'PL"}, "symbol"),
    ],
)
def test_identifiers_are_refused_and_never_repaired(w: World, changes: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        w.core.accept(body(**changes))
    assert refused.value.details[0]["field"] == field
    assert count(w, Inbox) == 0
    assert logs(w) == [("rejected", "VALIDATION_ERROR")]


def test_what_is_no_signal_is_on_record_without_its_markup(w: World) -> None:
    with pytest.raises(InvalidInput):
        w.core.accept(b"<html><body onload=run(1)>Bad gateway & more</body></html>")
    with pytest.raises(InvalidInput):
        w.core.accept(body(**{"<img src=x>": 1}))
    with w.core.db.transaction() as session:
        html, unknown = session.execute(select(WebhookLog).order_by(WebhookLog.id)).scalars()
        assert html.payload == {"unparsed": "Bad gateway & more", "bytes": 58, "sanitized": True}
        assert "<img" not in unknown.error_message + json.dumps(unknown.payload)
