"""The context: bound by whoever drives, apart for every task and thread, put back afterwards."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.context import Context, bind, current_context, new_request_id, well_formed_request_id


def test_nothing_is_bound_at_first():
    assert current_context() == Context()
    assert current_context().actor_type == "system"


def test_bind_changes_what_it_names_and_puts_it_back():
    with bind(request_id="request-1", tenant="desk") as outer:
        assert current_context() is outer
        with bind(actor_id="7"):
            assert current_context() == Context(request_id="request-1", tenant="desk", actor_id="7")
        assert current_context() is outer
    assert current_context() == Context()


def test_bind_puts_it_back_after_an_error():
    with pytest.raises(KeyError), bind(tenant="desk"):
        raise KeyError
    assert current_context().tenant == ""


def test_bind_refuses_a_field_that_does_not_exist():
    with pytest.raises(TypeError), bind(user="7"):
        raise AssertionError("must not be entered")


def test_tasks_and_threads_do_not_see_each_other():
    async def task(name):
        with bind(tenant=name):
            await asyncio.sleep(0)
            return current_context().tenant

    async def all_of_them():
        return await asyncio.gather(*(task(f"t{number}") for number in range(20)))

    assert asyncio.run(all_of_them()) == [f"t{number}" for number in range(20)]
    seen = []
    with bind(tenant="main"):
        thread = threading.Thread(target=lambda: seen.append(current_context().tenant))
        thread.start()
        thread.join()
    assert seen == [""]


def test_request_ids_are_well_formed_distinct_and_sorted_by_time():
    ids = [new_request_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert [one[:12] for one in ids] == sorted(one[:12] for one in ids)
    assert all(well_formed_request_id(one) == one and len(one) == 32 for one in ids)


@pytest.mark.parametrize("text", ["abcdefgh", "A.b_c-9z", "x" * 128])
def test_a_well_formed_request_id_is_kept(text):
    assert well_formed_request_id(text) == text


@pytest.mark.parametrize("text", [None, "", "short", "x" * 129, "abcdefgh\n", "abc defgh", "abcdefg;", "äbcdefgh"])
def test_any_other_is_not(text):
    assert well_formed_request_id(text) is None


@given(st.text(max_size=140))
def test_what_is_kept_can_stand_in_a_header_and_a_log_line(text):
    kept = well_formed_request_id(text)
    assert kept is None or (kept == text and kept.isascii() and kept.isprintable() and " " not in kept)
