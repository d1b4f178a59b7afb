"""What docs/scaling.md promises of a server that is more than one machine, as far as one server can show it."""

from __future__ import annotations

import datetime as dt
import threading
import uuid

import pytest

import datapkg
from datapkg import audit, flags, scripts, workqueue
from datapkg.errors import ReadOnlyError
from datapkg.kit.database import current
from datapkg.kit.models import new_id
from datapkg.testing import factories

pytestmark = pytest.mark.datapkg_engines("postgresql")


def with_options(url, **options):
    """The URL with settings for its sessions."""
    given = "%20".join(f"-c%20{name}%3D{value}" for name, value in options.items())
    return f"{url}{'&' if '?' in url else '?'}options={given}"


def test_any_machine_can_make_keys(db):
    """No sequence, and every primary key is the id alone, a UUID that sorts by the time it was made."""
    assert db.fetch(
        "SELECT count(*) FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace", ()
    ) == [(0,)]
    keys = (
        "SELECT c.relname, array_agg(a.attname::text || ' ' || format_type(a.atttypid, -1)) FROM pg_class c "
        "LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary "
        "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) "
        "WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace GROUP BY 1"
    )
    assert {name: columns for name, columns in db.fetch(keys, ()) if columns != ["id uuid"]} == {}
    made = [new_id() for _ in range(1000)]
    assert made == sorted(made)


@pytest.mark.datapkg_commits
def test_a_serializable_server_is_tried_again(db, datapkg_url):
    """Where every transaction is SERIALIZABLE, as on sharded servers, clients that collide all get through."""
    for _ in range(12):
        factories.make_feature()
    claimed, failed = [], []

    def work(place):
        try:
            with datapkg.using(with_options(datapkg_url, default_transaction_isolation="serializable"), retries=60):
                assert current().fetch("SHOW transaction_isolation", ()) == [("serializable",)]
                flags.set_flag("one")
                audit.record("thing", entity_id=str(place), action="try", actor="system", details={})
                factories.make_script(commands=2)
                while (feature := workqueue.claim_next(f"worker-{place}")) is not None:
                    claimed.append(feature.id)
                    workqueue.complete(feature, claim_token=feature.claim_token)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(claimed) == len(set(claimed)) == 12
    assert len(list(audit.list_entries(entity_type="thing"))) == 4
    assert audit.verify_chain().ok and scripts.verify().ok


@pytest.mark.datapkg_commits
def test_a_replica_is_read(db, datapkg_url):
    """A server that takes no writes connects, lists, streams and says in its health that it is read-only."""
    flags.set_flag("a", enabled=True)
    with datapkg.using(with_options(datapkg_url, default_transaction_read_only="on")):
        assert flags.is_enabled("a") and len(flags.list_flags()) == 1
        with current().snapshot():
            assert flags.find_flag("b") is None
        assert audit.verify_chain().ok and datapkg.status().state == "current"
        assert datapkg.health().state == "read-only"
        with pytest.raises(ReadOnlyError):
            flags.set_flag("b")


def boundary(day):
    """The smallest key of a day."""
    return uuid.UUID(int=int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp() * 1000) << 80)


PARTITIONED = """
CREATE TABLE parted (LIKE chat_messages INCLUDING ALL) PARTITION BY RANGE (id);
ALTER TABLE parted ADD CONSTRAINT parted_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
DROP TABLE chat_messages;
ALTER TABLE parted RENAME TO chat_messages;
"""


def test_a_table_is_partitioned_by_its_key(db):
    """Keys sort by time, so a range of them is a month: a row lands in its own, and a read by key looks there alone."""
    db.execute_sql(PARTITIONED)
    today = dt.datetime.now(dt.UTC).date()
    days = [today - dt.timedelta(days=60), today - dt.timedelta(days=1), today + dt.timedelta(days=2)]
    for name, first, last in zip(("past", "present"), days, days[1:], strict=False):
        db.execute_sql(
            f"CREATE TABLE chat_{name} PARTITION OF chat_messages "
            f"FOR VALUES FROM ('{boundary(first)}') TO ('{boundary(last)}')"
        )
    made = factories.make_message()
    assert db.fetch("SELECT id, tableoid::regclass::text FROM chat_messages", ()) == [(str(made.id), "chat_present")]
    plan = "\n".join(row[0] for row in db.fetch(f"EXPLAIN SELECT * FROM chat_messages WHERE id = '{made.id}'", ()))
    assert "chat_present" in plan and "chat_past" not in plan
    db.execute_sql("DELETE FROM users")
    assert db.fetch("SELECT count(*) FROM chat_messages", ()) == [(0,)]
