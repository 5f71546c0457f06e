"""What the windows hold, against the plain definition; and when a good call must look at it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradecore.resilience.breaker.windows import CountWindow, Tally, TimeWindow, TripRule

calls = st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 20)), max_size=80)


def keep(window, failed, slow, now):
    """Count a call as the breaker does; return whether it looked at the rates."""
    if failed or slow:
        assert window.add(failed, slow, now) == window.tally(now)
        return True
    number = next(window.numbers)
    looks = number == window.decisive or now >= window.turn
    if now >= window.turn:
        window.turn_to(number, now)
    return looks


@given(calls, st.integers(1, 20))
def test_the_count_window_holds_the_last_calls(made, size):
    window, done = CountWindow(size, 1, 1), []
    for failed, slow, _ in made:
        keep(window, failed, slow, 0.0)
        done.append((failed, slow))
        last = done[-size:]
        assert window.tally(0.0) == Tally(len(last), sum(f for f, _ in last), sum(s for _, s in last))
    assert window.count == len(made)
    assert (window.failed, window.slow) == (sum(f for f, _ in done), sum(s for _, s in done))


@given(calls, st.floats(1, 100), st.floats(0, 1e6))
def test_the_time_window_holds_the_slices_of_its_period(made, period, start):
    window, done, now = TimeWindow(period, 1, 1, start), [], start
    width = period / TimeWindow.SLICES
    for failed, slow, gap in made:
        now += gap
        keep(window, failed, slow, now)
        done.append((failed, slow, int(now // width)))
        held = [(f, s) for f, s, number in done if number > int(now // width) - TimeWindow.SLICES]
        assert window.tally(now) == Tally(len(held), sum(f for f, _ in held), sum(s for _, s in held))
    assert window.tally(now + period + width) == Tally()


@given(calls, st.integers(1, 8), st.booleans(), st.floats(0.1, 1.0))
def test_no_good_call_that_opens_it_fails_to_look(made, minimum, timed, rate):
    rule = TripRule(minimum, rate, 1.0, None, None)
    window = TimeWindow(40.0, 1, minimum, 0.0) if timed else CountWindow(10, 1, minimum)
    now, bad_before = 0.0, False
    for failed, _, gap in made:
        now += gap
        looked = keep(window, failed, False, now)
        bad = bool(rule.reason(*window.tally(now), 0))
        assert looked or not bad or bad_before  # a breaker that opened asks no more
        bad_before = bad


@given(st.lists(st.booleans(), max_size=40))
def test_failures_in_a_row_are_counted_by_their_numbers(outcomes):
    window, row = CountWindow(5, 1, 1), 0
    for failed in outcomes:
        row = row + 1 if failed else 0
        keep(window, failed, False, 0.0)
        if failed:
            assert window.row == row


def test_a_retired_window_tells_whoever_still_counts_there():
    window = CountWindow(5, 1, 1)
    next(window.numbers)
    window.retire()
    assert (window.last, window.turn) == (1, float("-inf"))
