"""What sealing costs: a value, a column that is read, a rotation; beside AESGCM, Fernet and others' sealed columns.

Run: ``python benchmarks/crypto.py [--rotate sqlite,postgres,mysql]``. advanced-alchemy and sqlalchemy-utils are
measured where they are installed. Values have 200 bytes. Ratios are medians of interleaved rounds in one run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.databases import fresh_database

from tradecore.crypto import Key, Keyring
from tradecore.db import Base, Database, Sealed, sealed
from tradecore.db.rotation import KeyRotation, Rotation

ROUNDS, CALLS, ROWS, TURNED = 15, 4_000, 2_000, 10_000
VALUE = os.urandom(200)
TEXT = VALUE.hex()[:200]
PLACE = ("broker_connections", "credentials", "7423165161472000000")


class Vault(Base):
    __tablename__ = "bench_vaults"

    value: Mapped[Sealed] = sealed()


class Plain(Base):
    __tablename__ = "bench_plain"

    value: Mapped[str] = mapped_column(String(400))


def rounds(work: dict[str, Callable[[], Any]], calls: int, number: int = ROUNDS) -> dict[str, list[float]]:
    """Return microseconds a call for each kind, round by round, interleaved."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(number):
        for name, call in work.items():
            start = time.perf_counter()
            for _ in range(calls):
                call()
            times[name].append((time.perf_counter() - start) / calls * 1e6)
    return times


def ratio(times: dict[str, list[float]], mine: str, base: str) -> float:
    return statistics.median(one / other for one, other in zip(times[mine], times[base], strict=True))


def verdict(what: str, found: float, budget: float, *, least: bool = False) -> None:
    kept = found >= budget if least else found <= budget
    print(f"  {'kept  ' if kept else 'MISSED'} {what}: {found:,.2f} (budget {'>=' if least else '<='} {budget:,g})")


def values() -> None:
    ring, raw, fernet = Keyring([Key.generate("primary")]), AESGCM(os.urandom(32)), Fernet(Fernet.generate_key())
    aad = b"x" * 80
    nonce = os.urandom(12)
    ciphertext, token, other = raw.encrypt(nonce, VALUE, aad), ring.seal(VALUE, PLACE), fernet.encrypt(VALUE)
    sealing = rounds(
        {
            "AESGCM": lambda: raw.encrypt(os.urandom(12), VALUE, aad),
            "tradecore": lambda: ring.seal(VALUE, PLACE),
            "Fernet": lambda: fernet.encrypt(VALUE),
        },
        CALLS,
    )
    opening = rounds(
        {
            "AESGCM": lambda: raw.decrypt(nonce, ciphertext, aad),
            "tradecore": lambda: ring.open(token, PLACE),
            "Fernet": lambda: fernet.decrypt(other),
        },
        CALLS,
    )
    for name, times in (("seal", sealing), ("open", opening)):
        print(f"{name}: " + "   ".join(f"{kind} {statistics.median(one):.2f} us" for kind, one in times.items()))
    verdict("seal / AESGCM", ratio(sealing, "tradecore", "AESGCM"), 2)
    verdict("open / AESGCM", ratio(opening, "tradecore", "AESGCM"), 3)
    verdict("seal / Fernet", ratio(sealing, "tradecore", "Fernet"), 0.5)
    verdict("open / Fernet", ratio(opening, "tradecore", "Fernet"), 0.5)


def peers() -> dict[str, type[Any]]:
    """Return a model for each peer that is installed, each on a table of its own."""

    class Own(DeclarativeBase): ...

    found: dict[str, Any] = {}
    if find_spec("sqlalchemy_utils"):
        from sqlalchemy_utils import StringEncryptedType
        from sqlalchemy_utils.types.encrypted.encrypted_type import AesGcmEngine

        found["sqlalchemy-utils GCM"] = StringEncryptedType(String, "key", AesGcmEngine)
    if find_spec("advanced_alchemy"):
        from advanced_alchemy.types import EncryptedString

        found["advanced-alchemy"] = EncryptedString(key="key")
    models = {}
    for number, (name, kind) in enumerate(found.items()):
        body = {
            "__tablename__": f"bench_peer_{number}",
            "__annotations__": {"id": Mapped[int], "value": Mapped[str]},
            "id": mapped_column(primary_key=True),
            "value": mapped_column(kind),
        }
        models[name] = type(f"Peer{number}", (Own,), body)
    return models


def columns() -> None:
    """Compare reading a column of sealed values with reading the same texts in plain."""
    ring, others = Keyring([Key.generate("primary")]), peers()
    with TemporaryDirectory() as folder, Database(f"sqlite:///{folder}/read.db", keyring=ring) as db:
        Base.metadata.create_all(db.engine, tables=[Vault.__table__, Plain.__table__])
        db.run(
            lambda s: s.add_all(
                [Vault(value=Sealed(TEXT)) for _ in range(ROWS)] + [Plain(value=TEXT) for _ in range(ROWS)]
            )
        )
        engine = create_engine(f"sqlite:///{folder}/peers.db")
        for model in others.values():
            model.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([model(value=TEXT) for model in others.values() for _ in range(ROWS)])
            session.commit()

        def read(session: Any, model: Any, opens: bool) -> None:
            session.expunge_all()
            for row in session.scalars(select(model)).all():
                if opens:
                    row.value.open()

        with db.read() as ours, Session(engine) as theirs:
            work: dict[str, Callable[[], Any]] = {
                "plain": lambda: read(ours, Plain, False),
                "listed": lambda: read(ours, Vault, False),
                "opened": lambda: read(ours, Vault, True),
            }
            work |= {name: lambda model=model: read(theirs, model, False) for name, model in others.items()}
            times = rounds(work, 1, number=15)
        for name in work:
            more = statistics.median((a - b) / ROWS for a, b in zip(times[name], times["plain"], strict=True))
            if name in ("listed", "opened"):
                verdict(f"column {name}, us a value over plain", more, 5)
            elif name != "plain":
                print(f"         {name}: {more:.2f} us a value over plain")


def rotation(kind: str) -> None:
    old = Key.generate("primary")
    with TemporaryDirectory() as folder, fresh_database(kind, Path(folder)) as url:
        with Database(url, keyring=Keyring([old])) as db:
            Base.metadata.create_all(db.engine, tables=[Vault.__table__, KeyRotation.__table__])
            for _ in range(TURNED // 1_000):
                db.run(lambda s: s.add_all([Vault(value=Sealed(TEXT)) for _ in range(1_000)]))
        keys, speeds = [old], []
        for _ in range(3):
            keys = [
                Key.generate("primary"),
                *(key.moved_to("retired") if key.state == "primary" else key for key in keys),
            ]
            with Database(url, keyring=Keyring(keys)) as db:
                way = Rotation(db, batch=500)
                moments = [time.perf_counter()]
                report = way.run(lambda batch, seen=moments: seen.append(time.perf_counter()))
                assert report.proof.holds
                assert report.turned == TURNED
                speeds.append(TURNED / (moments[-1] - moments[0]))
        verdict(f"rotation on {kind}, values/s at batch 500", statistics.median(speeds), 15_000, least=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rotate", default="sqlite,postgres,mysql", help="where a rotation is timed")
    given = parser.parse_args()
    values()
    columns()
    for kind in filter(None, given.rotate.split(",")):
        rotation(kind)


if __name__ == "__main__":
    main()
