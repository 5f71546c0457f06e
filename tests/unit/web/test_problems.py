"""Errors on the wire: what is shown, what is not, and in which spelling."""

from __future__ import annotations

import json
import subprocess
import sys
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from tradecore import errors
from tradecore.errors import BrokerError, RateLimited, TradeCoreError
from tradecore.web.problems import Answer, Problem, prefers, problem_of, validation_problem

WANTED = "application/problem+json"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", False),
        ("*/*", False),
        ("application/*", False),  # it asks for nothing in particular
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("application/json", False),
        (WANTED, True),
        ("Application/Problem+JSON", True),
        (f"{WANTED}, */*", True),
        (f"application/json, {WANTED}", True),  # who names it can read it
        (f"application/json;q=0.9, {WANTED}", True),
        (f"{WANTED};q=0.5, application/json", False),
        (f"{WANTED};q=0.5, application/*", False),
        (f"{WANTED};q=0.5, */*;q=0.4", True),
        (f"{WANTED};q=0", False),
        (f"{WANTED};q=nonsense", False),
        (f"{WANTED};charset=utf-8;q=1.0", True),
        (f"x{WANTED}", False),
    ],
)
def test_the_spelling_a_client_prefers(accept: str, chosen: bool) -> None:
    assert prefers(accept, WANTED) is chosen


@given(st.text(max_size=80))
def test_no_accept_header_breaks_an_answer(accept: str) -> None:
    answer = Problem.of_status(404).answer("an-id-of-8", accept)
    assert json.loads(answer.body)["code"] == "NOT_FOUND"


@given(st.sampled_from([status for status in HTTPStatus if status >= 400]) | st.integers(400, 599))
def test_every_status_has_a_code_and_a_sentence(status: int) -> None:
    problem = Problem.of_status(int(status))
    assert problem.code.replace("_", "").isalnum()
    assert problem.code == problem.code.upper()
    assert problem.message


def test_every_error_of_the_tree_is_a_problem() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__]
    for kind in kinds:
        error = kind(retry_after=0.5)
        problem = problem_of(error)
        assert (problem.status, problem.code) == (kind.http_status, kind.code)
        assert problem.headers == ((("retry-after", "1"),) if kind.http_status != 500 else ())


@pytest.mark.parametrize(
    ("seconds", "header"), [(None, None), (0, "0"), (0.01, "1"), (60.0, "60"), (-5.0, "0"), (float("inf"), None)]
)
def test_retry_after_is_whole_seconds_and_never_early(seconds: float | None, header: str | None) -> None:
    assert dict(problem_of(RateLimited(retry_after=seconds)).headers).get("retry-after") == header


def test_secrets_in_a_message_are_masked() -> None:
    problem = problem_of(BrokerError("POST https://user:hunter2@paper/ with Authorization: Bearer abcdef0123456789"))
    assert "hunter2" not in problem.message
    assert "abcdef0123456789" not in problem.message


def test_an_error_of_the_users_own_needs_no_particular_constructor() -> None:
    class Odd(TradeCoreError):
        code = "ODD"

        def __init__(self, needed: int) -> None:
            super().__init__(f"internal: {needed}")

    problem = problem_of(Odd(7))
    assert (problem.status, problem.code) == (500, "ODD")
    assert "7" not in problem.message


def test_an_answer_survives_what_json_cannot_carry() -> None:
    answer = Answer.json(200, {"lone": "\ud800", "object": object})
    assert json.loads(answer.body)["lone"] == "?"


@given(value=st.text(min_size=6).filter(lambda text: text not in "symbol quantity body integer string"))
def test_a_value_is_never_told(value: str) -> None:
    class Entry(BaseModel):
        symbol: int
        quantity: int

    with pytest.raises(ValidationError) as caught:
        Entry.model_validate({"symbol": f"x{value}", "quantity": [value]})
    problem = validation_problem(caught.value.errors(), located=False)
    assert f"x{value}" not in json.dumps(problem.details, ensure_ascii=False) + problem.message
    assert [detail["field"] for detail in problem.details] == ["symbol", "quantity"]


def test_a_tag_is_not_told_either_and_a_long_name_is_cut() -> None:
    details = validation_problem(
        [
            {"loc": ("body", "kind"), "type": "union_tag_invalid", "msg": "Input tag 'tr0ub4dor' found using ..."},
            {"loc": ("body", "n" * 500), "type": "extra_forbidden", "msg": "Extra inputs are not permitted"},
            {"loc": ("query",), "type": "value_error", "msg": "Value error, too odd"},
        ]
    ).details
    assert details[0]["message"] == "the tag is none of the expected ones"
    assert details[1]["field"] == "n" * 128
    assert (details[2]["location"], details[2]["field"], details[2]["message"]) == ("query", "", "too odd")


@pytest.mark.parametrize(
    ("door", "package", "extra"),
    [("fastapi", "fastapi", "fastapi"), ("flask", "flask", "flask"), ("starlette", "starlette", "fastapi")],
)
def test_a_door_whose_framework_is_missing_names_the_extra(door: str, package: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from tradecore.errors import ConfigurationError\n"
        f"try:\n    import tradecore.web.{door}\nexcept ConfigurationError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"pip install 'tradecore[{extra}]'" in done.stdout
