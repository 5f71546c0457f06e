"""How keys are written down: ``state:id:secret``, the id checked against the secret, so that a slip shows at once."""

from __future__ import annotations

import base64
from collections.abc import Callable

from ..errors import ConfigurationError
from .keys import LENGTH, Key, KeyState, decoded
from .providers import KeyProvider

__all__ = ["entry_of", "read_entries"]


def read_entries(text: str, provider: KeyProvider | None, where: str) -> list[Key]:
    """Return the keys a text holds.

    Args:
        text: entries apart by blanks, commas or lines; ``#`` begins a comment.
        provider: unwraps each secret; None where they are not wrapped.
        where: what the errors call it.

    Raises:
        ConfigurationError: listing everything wrong, by the number of the entry; no secret is repeated.
    """
    lines = (line.partition("#")[0] for line in text.splitlines())
    entries = " ".join(lines).replace(",", " ").split()
    keys, problems = [], []
    for number, entry in enumerate(entries, 1):
        try:
            keys.append(_key_of(entry, provider))
        except ConfigurationError as error:
            problems.append(f"{where}, entry {number}: {error.message}")
    if not entries:
        problems.append(f"{where}: no key stands there; `tradecore keys generate` makes one")
    if problems:
        raise ConfigurationError.of(problems)
    return keys


def _key_of(entry: str, provider: KeyProvider | None) -> Key:
    state, _, rest = entry.partition(":")
    key_id, _, secret = rest.partition(":")
    if state not in {*KeyState} or not key_id:
        raise ConfigurationError(f"an entry is state:id:secret, its state one of {', '.join(KeyState)}")
    place = Key.destroyed(key_id)  # which looks at the id
    if state == KeyState.DESTROYED:
        if secret:
            raise ConfigurationError(f"key {key_id} is destroyed, so its secret is not to stand there any more")
        return place
    if not secret:
        raise ConfigurationError(f"key {key_id}: its secret is missing")
    try:
        data = decoded(secret)
        if provider is not None:
            data = _unwrapped(provider, data)
        elif len(data) > LENGTH:
            raise ConfigurationError(
                f"a key is {LENGTH} bytes; this is {len(data)} bytes: if it is wrapped, give its provider"
            )
        key = Key(data, state)
    except ConfigurationError as error:
        raise ConfigurationError(f"key {key_id}: {error.message}") from None
    if key.id != key_id:
        raise ConfigurationError(f"key {key_id}: mistyped or mixed up, what stands there is key {key.id}")
    return key


def _unwrapped(provider: KeyProvider, wrapped: bytes) -> bytes:
    return _provided(provider, provider.unwrap, wrapped, "unwrap")


def _provided(provider: KeyProvider, work: Callable[[bytes], bytes], data: bytes, verb: str) -> bytes:
    try:
        return work(data)
    except ConfigurationError:
        raise
    except Exception as error:
        kind = type(error).__name__
    # Outside: what a provider's error says, and holds, is nobody's context.
    raise ConfigurationError(f"{type(provider).__name__} could not {verb} it ({kind})")


def entry_of(key: Key, provider: KeyProvider | None = None) -> str:
    """Return ``state:id:secret``: the secret wrapped by ``provider`` where one is given, **else as it is**.

    Raises:
        ConfigurationError: if the provider cannot wrap it.
    """
    spelled = key.spelled()
    if provider is None or not key.readable:
        return spelled
    state, key_id, secret = spelled.split(":")
    wrapped = _provided(provider, provider.wrap, decoded(secret), "wrap")
    return f"{state}:{key_id}:{base64.urlsafe_b64encode(wrapped).rstrip(b'=').decode('ascii')}"
