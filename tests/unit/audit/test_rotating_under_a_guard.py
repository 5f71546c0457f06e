"""A guard that refuses unseen changes of audited rows lets a rotation through: nothing that anybody said changes."""

from sqlalchemy import func, select

from tradecore.audit import AuditEntry, guard
from tradecore.crypto import Key, Keyring
from tradecore.db import Database, Sealed
from tradecore.db.rotation import Rotation
from tradecore.models import BrokerConnection, migrations


def test_a_rotation_of_audited_rows_under_a_strict_guard(sqlite_url):
    old, new = Key.generate("primary"), Key.generate("primary")
    with Database(sqlite_url, keyring=Keyring([old])) as db:
        migrations.upgrade(db)
        row = BrokerConnection(broker="alpaca", name="c", credentials=Sealed("s3cret"))
        db.run(lambda session: session.add(row))
    with Database(sqlite_url, keyring=Keyring([old.moved_to("retired"), new])) as db:
        guard(db.engine)
        report = Rotation(db).run()
        assert (report.turned, report.proof.holds) == (1, True)
        assert db.run(lambda session: session.scalar(select(func.count(AuditEntry.id)))) == 1
        opened = db.run(lambda session: session.scalars(select(BrokerConnection)).one().credentials.open())
        assert opened == "s3cret"
