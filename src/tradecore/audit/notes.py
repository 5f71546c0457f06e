"""Checkpoints as C2SP notes: whose log, how many events, the head of the chain, and who vouches for it.

::

    desk.example/audit
    128812
    nND/nri/U0xuHUrYSy0HtMeal2vzD9V4k/BO79C+QeI=

    — tradecore:3f1c99ab bUTIvuKp...

The second part is a MAC by the audit subkey of the key it names; there is none without a key ring. Between the two
stands an empty line, and what is vouched for is everything before it. (https://c2sp.org/tlog-checkpoint)
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from ..errors import InvalidInput
from .keys import Macs

__all__ = ["Note"]

_LONGEST = 4_096
_SIGNED = re.compile(r"— tradecore:(?P<mac>[0-9A-Za-z._-]{1,64}:[0-9A-Za-z_-]{43})")


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint.

    Attributes:
        origin: whose log.
        size: how many events.
        head: the head of the chain after them, in hexadecimal.
        mac: by whom it is vouched for, or None.
    """

    origin: str
    size: int
    head: str
    mac: str | None = None

    def body(self) -> str:
        """Return what is vouched for."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(bytes.fromhex(self.head)).decode('ascii')}\n"

    def text(self) -> str:
        """Return the whole note."""
        return f"{self.body()}\n— tradecore:{self.mac}\n" if self.mac else f"{self.body()}\n"

    def signed(self, macs: Macs | None) -> Note:
        """Return it with a MAC."""
        mac = None if macs is None else macs.make(self.body().encode("utf-8"))
        return Note(self.origin, self.size, self.head, mac)

    def holds(self, macs: Macs) -> bool:
        """Whether its MAC is right; False without one.

        Raises:
            KeyMissing: it names a key that is not on the ring.
        """
        return self.mac is not None and macs.holds(self.mac, self.body().encode("utf-8"))

    @classmethod
    def read(cls, text: str | bytes) -> Note:
        """Read a note; lines by other signers are passed over.

        Raises:
            InvalidInput: it is none.
        """
        try:
            if len(text) > _LONGEST:
                raise ValueError("longer than a note")
            words = text.decode("utf-8") if isinstance(text, bytes) else text
            body, _, signatures = words.partition("\n\n")
            origin, size, head, *_ = body.split("\n")
            raw = base64.b64decode(head, validate=True)
            if not origin or not re.fullmatch(r"0|[1-9][0-9]{0,18}", size) or len(raw) != 32:
                raise ValueError("not a checkpoint")
        except (ValueError, binascii.Error, UnicodeDecodeError):
            raise InvalidInput.of("checkpoint", "format", "this is no checkpoint of an audit log") from None
        found = next(filter(None, map(_SIGNED.fullmatch, signatures.splitlines())), None)
        return cls(origin, int(size), raw.hex(), found["mac"] if found else None)
