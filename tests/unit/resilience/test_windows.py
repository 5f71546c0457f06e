"""What the windows hold, against the plain definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradecore.resilience.windows import CountWindow, Tally, TimeWindow

calls = st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 20)), max_size=80)


def keep(window, failed, slow, now):
    if failed or slow:
        window.add(failed, slow, now)
        return
    held = window.tally(now)
    assert window.add_good(now) >= bool(held.failed or held.slow)


@given(calls, st.integers(1, 20))
def test_the_count_window_holds_the_last_calls(made, size):
    window, done = CountWindow(size), []
    for failed, slow, _ in made:
        keep(window, failed, slow, 0.0)
        done.append((failed, slow))
        last = done[-size:]
        assert window.tally(0.0) == Tally(len(last), sum(f for f, _ in last), sum(s for _, s in last))
    window.clear()
    assert window.tally(0.0) == Tally()


@given(calls, st.floats(1, 100), st.floats(0, 1e6))
def test_the_time_window_holds_the_slices_of_its_period(made, period, start):
    window, done, now = TimeWindow(period), [], start
    width = period / TimeWindow.SLICES
    for failed, slow, gap in made:
        now += gap
        keep(window, failed, slow, now)
        done.append((failed, slow, int(now // width)))
        held = [(f, s) for f, s, number in done if number > int(now // width) - TimeWindow.SLICES]
        assert window.tally(now) == Tally(len(held), sum(f for f, _ in held), sum(s for _, s in held))
    assert window.tally(now + period + width) == Tally()
