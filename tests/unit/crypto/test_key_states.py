"""The life of keys as a machine: whatever is done to a ring, what it sealed opens, or the missing key is named."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tradecore.crypto import Key, Keyring, KeyState, key_id_of
from tradecore.errors import ConfigurationError, KeyMissing

ALLOWED = {
    (KeyState.PENDING, KeyState.PRIMARY),
    (KeyState.PENDING, KeyState.DESTROYED),
    (KeyState.PRIMARY, KeyState.RETIRED),
    (KeyState.RETIRED, KeyState.PRIMARY),
    (KeyState.RETIRED, KeyState.DESTROYED),
}
_SECRETS = [bytes([n]) + bytes(range(1, 32)) for n in range(40)]


class Rings(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.unused = list(_SECRETS)
        self.keys = [Key(self.unused.pop(), KeyState.PRIMARY)]
        self.sealed: list[tuple[str, bytes, tuple[str, ...]]] = []

    def ring(self):
        return Keyring(self.keys)

    @precondition(lambda self: len(self.keys) < 12)
    @rule()
    def add(self):
        self.keys.append(Key(self.unused.pop(), KeyState.PENDING))

    @rule(number=st.integers(0, 11), wanted=st.sampled_from(list(KeyState)))
    def move(self, number, wanted):
        place = number % len(self.keys)
        key = self.keys[place]
        if (key.state, wanted) not in ALLOWED:
            with pytest.raises(ConfigurationError, match=f"key {key.id} is {key.state}"):
                key.moved_to(wanted)
            return
        moved = key.moved_to(wanted)
        changed = [*self.keys[:place], moved, *self.keys[place + 1 :]]
        if wanted is KeyState.PRIMARY:  # what was primary retires in the same step
            changed = [
                other.moved_to(KeyState.RETIRED) if other.state is KeyState.PRIMARY and other is not moved else other
                for other in changed
            ]
        elif key.state is KeyState.PRIMARY:
            with pytest.raises(ConfigurationError, match="one key is to be primary; there: none"):
                Keyring(changed)
            return
        self.keys = changed

    @rule(order=st.randoms(use_true_random=False))
    def shuffle(self, order):
        order.shuffle(self.keys)

    @rule(value=st.binary(max_size=40), place=st.lists(st.sampled_from("abc"), min_size=1, max_size=3))
    def seal(self, value, place):
        ring = self.ring()
        token = ring.seal(value, tuple(place))
        assert key_id_of(token) == ring.primary.id
        self.sealed.append((token, value, tuple(place)))

    @rule()
    def write_down_and_read(self):
        text = "\n".join(key.spelled() for key in self.keys)
        assert [key.spelled() for key in Keyring.from_text(text).keys] == [key.spelled() for key in self.keys]

    @invariant()
    def everything_opens_or_its_key_is_named(self):
        ring = self.ring()
        states = {key.id: key.state for key in self.keys}
        for token, value, place in self.sealed[-20:]:
            key_id = key_id_of(token)
            if states[key_id] is KeyState.DESTROYED:
                with pytest.raises(KeyMissing, match=f"key {key_id} was destroyed"):
                    ring.open(token, place)
            else:
                assert ring.open(token, place) == value


TestRings = Rings.TestCase
TestRings.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
