"""A lease has one holder at a time, and its token only rises."""

import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tradecore.clock import ManualClock
from tradecore.db import AsyncDatabase, Database, leases
from tradecore.errors import LeaseLost, LockTimeout
from tradecore.models import migrations

TTL = 10.0
names = st.sampled_from(["a", "A", "a "])
holders = st.sampled_from(["one", "two"])


class Leases(RuleBasedStateMachine):
    """The real table against a dictionary."""

    def __init__(self):
        super().__init__()
        self.clock = ManualClock()
        self.db = Database("sqlite://", clock=self.clock)
        migrations.upgrade(self.db)
        self.known: dict[str, tuple[int, float]] = {}  # name -> token, end
        self.given: list[tuple[str, int]] = []

    def teardown(self):
        self.db.close()

    def _holds(self, name, token):
        known_token, end = self.known.get(name, (0, 0.0))
        return token == known_token and end > self.clock.monotonic()

    @rule(name=names, holder=holders)
    def acquire(self, name, holder):
        token = self.db.run(leases.acquire, name, holder, TTL)
        last, end = self.known.get(name, (0, 0.0))
        if end > self.clock.monotonic():
            assert token is None
        else:
            assert token == last + 1
            self.known[name] = (token, self.clock.monotonic() + TTL)
            self.given.append((name, token))

    @rule(which=st.integers(0, 50))
    def renew(self, which):
        if self.given:
            name, token = self.given[which % len(self.given)]
            held = self._holds(name, token)
            assert self.db.run(leases.renew, name, token, TTL) is held
            if held:
                self.known[name] = (token, self.clock.monotonic() + TTL)

    @rule(which=st.integers(0, 50))
    def release(self, which):
        if self.given:
            name, token = self.given[which % len(self.given)]
            held = self._holds(name, token)
            assert self.db.run(leases.release, name, token) is held
            if held:
                self.known[name] = (token, self.clock.monotonic())

    @rule(seconds=st.sampled_from([0.5, 5.0, 9.999999, 10.0, 30.0]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @invariant()
    def tokens_are_never_given_twice(self):
        assert len(set(self.given)) == len(self.given)


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=40, stateful_step_count=25)


@pytest.fixture
def db(database_url):
    with Database(database_url) as database:
        migrations.upgrade(database)
        yield database


def test_of_eight_threads_one_gets_the_lease(db):
    tokens = []
    threads = [
        threading.Thread(target=lambda n=n: tokens.append(db.run(leases.acquire, "x", f"t{n}", 30.0))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(tokens, key=str) == [1] + [None] * 7


def test_hold_is_exclusive_and_gives_the_lease_back(db):
    inside, most = [], []

    def work():
        with db.hold("desk", wait=30.0):
            inside.append(1)
            most.append(len(inside))
            db.run(leases.acquire, "other", "me", 0.0)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]
    with db.hold("desk", wait=0.0) as held:
        assert held.token == 5


def test_hold_gives_up_after_its_wait(db):
    with db.hold("desk"), pytest.raises(LockTimeout, match="'desk' is held"), db.hold("desk", wait=0.05):
        pass


def test_hold_renews_while_the_block_runs(sqlite_url):
    with Database(sqlite_url) as db, Database(sqlite_url) as other:
        migrations.upgrade(db)
        renewed = threading.Event()
        run = db.run

        def watched(fn, *arguments):
            answer = run(fn, *arguments)
            if fn is leases.renew:
                renewed.set()
            return answer

        db.run = watched
        with db.hold("desk", ttl=0.6) as held:
            assert renewed.wait(10)
            held.check()
            assert other.run(leases.acquire, "desk", "other", 1.0) is None


def test_a_lease_lost_while_held_is_noticed():
    clock = ManualClock()
    with Database("sqlite://", clock=clock) as db:
        migrations.upgrade(db)
        noticed = threading.Event()
        run = db.run

        def watched(fn, *arguments):
            if fn is leases.renew:
                clock.advance(60)
                answer = run(fn, *arguments)
                noticed.set()
                return answer
            return run(fn, *arguments)

        db.run = watched
        with db.hold("desk", ttl=0.3) as held:
            assert noticed.wait(10)
            for thread in threading.enumerate():
                if thread.name == "lease desk":
                    thread.join(10)
            with pytest.raises(LeaseLost):
                held.check()


@pytest.mark.anyio
async def test_hold_across_the_colours(shared_database_url):
    with Database(shared_database_url) as threads:
        migrations.upgrade(threads)
        async with AsyncDatabase(shared_database_url) as tasks:
            async with tasks.hold("desk"):
                with pytest.raises(LockTimeout), threads.hold("desk", wait=0.0):
                    pass
            with threads.hold("desk", wait=0.0) as held:
                assert held.token == 2
