"""Ids rise, differ and tell their time."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.clock import ManualClock
from tradecore.db import Database, historic_id, id_at, id_range, new_id, time_of
from tradecore.db.footing import take_node
from tradecore.db.ids import Mint
from tradecore.db.timeline import MILLISECOND
from tradecore.models import migrations


@given(st.lists(st.one_of(st.just(0), st.floats(0, 5)), min_size=1, max_size=200))
def test_ids_of_one_mint_only_rise_whatever_the_clock_does(steps):
    clock = ManualClock()
    mint = Mint(clock, node=5)
    minted = []
    for step in steps:
        clock.advance(step)
        minted.append(mint())
    assert minted == sorted(set(minted))
    assert {(minted_id >> 12) & 1023 for minted_id in minted} == {5}


def test_a_standing_clock_still_mints_ten_thousand_ids():
    mint = Mint(ManualClock())
    minted = [mint() for _ in range(10_000)]
    assert minted == sorted(set(minted))
    assert time_of(minted[-1]) - ManualClock().now() < timedelta(milliseconds=3)


def test_a_clock_that_goes_back_mints_no_id_twice():
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    mint = Mint(clock)
    before = [mint() for _ in range(10)]
    clock.start -= timedelta(hours=1)
    assert min(mint() for _ in range(10)) > max(before)


def test_threads_and_nodes_never_mint_the_same():
    mints = [Mint(ManualClock(), node=node) for node in (1, 2)]
    minted, threads = [], []

    def many(mint):
        minted.extend([mint() for _ in range(2_000)])

    for mint in mints * 4:
        threads.append(threading.Thread(target=many, args=(mint,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(set(minted)) == len(minted) == 16_000


@given(st.datetimes(datetime(1951, 1, 1), datetime(2089, 1, 1), timezones=st.just(UTC)))
def test_an_id_tells_its_time_and_a_moment_its_first_id(moment):
    assert time_of(historic_id(moment)) == time_of(id_at(moment))
    assert moment - time_of(id_at(moment)) < timedelta(milliseconds=1)
    assert id_at(moment) <= historic_id(moment) < id_at(moment + timedelta(milliseconds=1))
    assert abs(historic_id(moment)) < 2**63


@pytest.mark.parametrize("year", [1949, 2090])
def test_a_moment_that_no_id_reaches_is_refused(year):
    with pytest.raises(ValueError, match="1950"):
        id_at(datetime(year, 1, 1, tzinfo=UTC))


def test_databases_on_one_database_mint_for_different_nodes(shared_database_url):
    migrations.upgrade(shared_database_url)
    clock = ManualClock()
    with Database(shared_database_url, clock=clock) as first, Database(shared_database_url, clock=clock) as second:
        minted = [first.run(new_id), second.run(new_id)]
    # A third one begins at the same instant as the two before it, and must not repeat their ids.
    with Database(shared_database_url, clock=ManualClock()) as third:
        minted.append(third.run(new_id))
    assert len({(minted_id >> 12) & 1023 for minted_id in minted}) == 3


def test_databases_that_start_at_once_get_different_nodes(shared_database_url):
    migrations.upgrade(shared_database_url)
    databases = [Database(shared_database_url) for _ in range(6)]
    minted, ready = [], threading.Barrier(6)

    def start(db):
        ready.wait()
        minted.append(db.run(new_id))

    threads = [threading.Thread(target=start, args=(db,)) for db in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for db in databases:
        db.close()
    assert len({(number >> 12) & 1023 for number in minted}) == 6


def test_nodes_are_handed_out_in_rotation(sqlite_url):
    migrations.upgrade(sqlite_url)
    with Database(sqlite_url) as db:
        taken = [db.run(take_node, "me") for _ in range(5)]
    assert taken == list(range(taken[0], taken[0] + 5))


def test_an_id_is_not_minted_for_a_session_of_somebody_else():
    from sqlalchemy.orm import Session

    with pytest.raises(RuntimeError, match="not made by a tradecore Database"):
        new_id(Session())


MOMENTS = st.datetimes(datetime(1960, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=400)), MOMENTS)
def test_a_range_of_ids_leaves_out_no_row_of_its_time(start, length, moment):
    end = start + length
    ids = id_range(start, end)
    if start <= moment < end:
        assert ids.low <= historic_id(moment) < ids.high
    if moment < start - MILLISECOND or moment >= end + MILLISECOND:
        assert not ids.low <= historic_id(moment) < ids.high


def test_a_range_of_ids_reaches_for_rows_written_late_and_does_not_run_backwards():
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    assert id_range(start, end).high == id_at(end)
    assert id_range(start, end, late=timedelta(hours=1)).high == id_at(end + timedelta(hours=1))
    with pytest.raises(ValueError, match="after it starts"):
        id_range(end, start)
