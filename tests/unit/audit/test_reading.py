"""What is read back is spelled as it was written: the same bytes for its leaf and its MAC."""

from tests.unit.audit.trail import KeyedDatabase, made, write, write_personal

from tradecore.audit.canonical import commit, leaf_of
from tradecore.audit.events import event_for_leaf, event_for_mac
from tradecore.audit.reading import stored, unsealed


def test_the_bytes_are_those_of_the_whole_event(database_url):
    with KeyedDatabase(database_url) as db:
        made(db)
        db.run(write, 2)
        db.run(write_personal, 2)
        rows = db.run(lambda session: list(stored(session.connection(), unsealed(-(2**63), 10))))
    assert len(rows) == 4
    for row in rows:
        assert row.for_mac() == event_for_mac(row.facts, row.personal)
        assert row.leaf(None) == leaf_of(event_for_leaf(row.facts, None))
        commitment = commit("ab" * 16, row.personal)
        assert row.leaf(commitment) == leaf_of(event_for_leaf(row.facts, commitment))
