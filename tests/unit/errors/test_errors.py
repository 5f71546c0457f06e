"""The error tree: named by what the caller may do next, whole after a pickle, readable without docstrings."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys

import pytest

from tradecore import errors
from tradecore.errors import (
    BrokerError,
    ConfigurationError,
    DuplicateOrder,
    InvalidInput,
    NotSent,
    OrderDenied,
    OrderRejected,
    OutcomeUnknown,
    PacingRefused,
    RateLimited,
    TradeCoreError,
)

EVERY = [getattr(errors, name) for name in errors.__all__]
FAMILIES = (NotSent, OrderDenied, OrderRejected, DuplicateOrder, OutcomeUnknown)


def test_the_tree_at_the_top_of_the_room_names_every_error_once():
    drawn = errors.__doc__.split("``CircuitOpenError``")[0]
    words = drawn.replace("·", " ").replace(":", " ").split()
    assert {name: words.count(name) for name in errors.__all__ if words.count(name) != 1} == {}


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_an_error_says_what_its_docstring_says(kind):
    error = kind()
    assert issubclass(kind, TradeCoreError)
    assert str(error) == error.message == kind.__doc__.strip().splitlines()[0]
    assert error.as_dict(request_id="r-1") == {
        "code": kind.code,
        "message": error.message,
        "details": [],
        "requestId": "r-1",
    }
    assert 400 <= kind.http_status <= 599


def test_codes_are_unique_and_spelled_alike():
    codes = [kind.code for kind in EVERY]
    assert len(set(codes)) == len(codes)
    assert all(code == code.upper() and code.replace("_", "").isalpha() for code in codes)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)
def test_an_error_survives_the_way_to_another_process(kind, again):
    particulars = {"details": [{"field": "price", "code": "x"}], "retry_after": 1.5}
    if issubclass(kind, BrokerError):
        particulars |= {"broker": "alpaca", "client_order_id": "c-1", "broker_code": "40310000"}
    error = kind("it broke", **particulars)
    error.add_note("seen at 14:30")
    twin = again(error)
    assert type(twin) is kind
    assert twin.args == error.args == ("it broke",)
    assert vars(twin) == vars(error)


def test_every_broker_error_tells_what_may_be_done_next_by_exactly_one_family():
    for kind in EVERY:
        if issubclass(kind, BrokerError) and kind is not BrokerError:
            assert sum(issubclass(kind, family) for family in FAMILIES) == 1, kind


def test_only_doubt_and_duplicates_may_exist_at_the_broker():
    existing = {kind for kind in EVERY if issubclass(kind, BrokerError) and kind.may_exist}
    assert existing == {kind for kind in EVERY if issubclass(kind, OutcomeUnknown | DuplicateOrder)}


def test_a_pace_refusal_is_caught_as_what_it_is_to_either_caller():
    assert issubclass(PacingRefused, NotSent)
    assert issubclass(PacingRefused, RateLimited)
    assert PacingRefused.http_status == 429
    assert PacingRefused(broker="alpaca", retry_after=2.0).retry_after == 2.0


def test_a_configuration_error_lists_everything_wrong_at_once():
    error = ConfigurationError.of(["no key", "no secret"])
    assert [detail["message"] for detail in error.details] == ["no key", "no secret"]
    assert "no key" in str(error)
    assert "no secret" in str(error)


def test_invalid_input_names_the_field():
    error = InvalidInput.of("price", "float_refused", "send a string")
    assert error.details == ({"field": "price", "code": "float_refused", "message": "send a string"},)
    assert str(error) == "price: send a string"
    assert str(InvalidInput.of("", "not_json", "the body is not JSON")) == "the body is not JSON"


def test_details_are_copies():
    detail = {"field": "price"}
    error = InvalidInput(details=[detail])
    detail["field"] = "side"
    error.as_dict()["details"][0]["field"] = "symbol"
    assert error.details == ({"field": "price"},)


def test_without_docstrings_the_code_is_the_message():
    program = (
        "import json; from tradecore import errors;"
        "print(json.dumps({n: [getattr(errors, n).code, str(getattr(errors, n)())] for n in errors.__all__}))"
    )
    answer = subprocess.run([sys.executable, "-OO", "-c", program], check=True, capture_output=True, text=True)
    said = json.loads(answer.stdout)
    assert set(said) == set(errors.__all__)
    assert all(code == message for code, message in said.values())
