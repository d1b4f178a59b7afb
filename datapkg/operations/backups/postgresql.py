"""PostgreSQL: pg_dump out, pg_restore through psql in one transaction in."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from datapkg.kit.dialect.base import literal, quote
from datapkg.kit.engines import PostgresMixin
from datapkg.kit.errors import ConfigurationError
from datapkg.kit.failpoints import reach
from datapkg.operations.backups.files import Backup
from datapkg.operations.backups.tools import Tools, complaint, connection_of, find_tools, server_version
from datapkg.operations.migrations.lock import KEY

__all__ = ["copy_in", "copy_out", "find_restoring", "schema_of"]

_LOCK_SECONDS = 60

# Everything of the schema goes, in the transaction that puts it back, so that tables of later migrations go too. No
# CASCADE: what refers to these tables from elsewhere is not in the backup and would be lost.
_CLEAR = """
DO $clear$
DECLARE
    schema_oid oid := (SELECT oid FROM pg_namespace WHERE nspname = {schema});
    names text;
BEGIN
    FOR names IN
        SELECT format('DROP %s %s', kind, string_agg(format('%I.%I', {schema}, relname), ', '))
        FROM (
            SELECT c.relname, k.kind, k.place FROM pg_class c
            JOIN (VALUES ('m', 'MATERIALIZED VIEW', 1), ('v', 'VIEW', 2), ('r', 'TABLE', 3), ('p', 'TABLE', 3),
                         ('f', 'FOREIGN TABLE', 4)) k (relkind, kind, place) ON k.relkind = c.relkind::text
            WHERE c.relnamespace = schema_oid AND NOT EXISTS (
                SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                AND d.deptype = 'e')
        ) relations GROUP BY kind, place ORDER BY place
    LOOP EXECUTE names; END LOOP;
    FOR names IN
        SELECT 'DROP SEQUENCE ' || string_agg(format('%I.%I', {schema}, c.relname), ', ')
        FROM pg_class c WHERE c.relnamespace = schema_oid AND c.relkind = 'S' AND NOT EXISTS (
            SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        HAVING count(*) > 0
    LOOP EXECUTE names; END LOOP;
    FOR names IN
        SELECT 'DROP ROUTINE ' || string_agg(p.oid::regprocedure::text, ', ')
        FROM pg_proc p WHERE p.pronamespace = schema_oid AND p.prokind <> 'a' AND NOT EXISTS (
            SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
        HAVING count(*) > 0
    LOOP EXECUTE names; END LOOP;
    FOR names IN
        SELECT 'DROP TYPE ' || string_agg(format('%I.%I', {schema}, t.typname), ', ')
        FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE t.typnamespace = schema_oid AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c') AND NOT EXISTS (
            SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
        HAVING count(*) > 0
    LOOP EXECUTE names; END LOOP;
END
$clear$;
"""


def schema_of(database: PostgresMixin) -> str:
    """Return the schema that the connection's tables are in.

    Raises:
        ConfigurationError: the search path names none that is there.
    """
    schema = database.fetch("SELECT current_schema()", ())[0][0]
    if schema is None:
        raise ConfigurationError(
            f"No schema of the search path of {database.url} exists.", fix="Create it, or correct the URL's options."
        )
    return str(schema)


def copy_out(
    database: PostgresMixin,
    tools: Tools,
    target: Path,
    backup: Backup,
    *,
    locked: bool,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Let pg_dump write what the connection's transaction sees into a file; others go on reading and writing.

    Args:
        database: in a transaction.
        locked: the transaction keeps other migrations out, so that a moment later is as good.
        tools: with pg_dump.
        target: an empty file.
        backup: what is known of it already.
        progress: called with the tables done and the tables in all.

    Raises:
        DatapkgError: what pg_dump complained about.
    """
    _refuse_pooler(database)
    moment = []
    # A snapshot that was given away stays until the end of the transaction, and an index that is built concurrently
    # after it would wait for that for ever.
    if not locked:
        moment.append(f"--snapshot={database.fetch('SELECT pg_export_snapshot()', ())[0][0]}")
    dsn, environment = connection_of(database)
    command = tools.command(
        "pg_dump",
        "--format=custom",
        f"--file={target}",
        f"--schema={quote(backup.schema)}",
        *moment,
        f"--lock-wait-timeout={_LOCK_SECONDS}s",
        "--no-password",
        "--verbose",
        f"--dbname={dsn}",
    )
    done, said = 0, ""
    with _child(command, environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for raw in process.stderr:
            line = raw.decode("utf-8", "replace")
            if "dumping contents of table" in line:
                done += 1
                if progress is not None:
                    progress(min(done, backup.tables), backup.tables)
            else:
                said = (said + line)[-20_000:]
    if process.returncode:
        raise complaint("pg_dump", process.returncode, said)


def find_restoring(database: PostgresMixin, backup: Backup) -> Tools:
    """Return programs that read the backup and know the server.

    Raises:
        ConfigurationError: there are none, or all are too old.
    """
    return find_tools("pg_restore", "psql", at_least=max(backup.tool, server_version(database)))


def copy_in(
    database: PostgresMixin,
    backup: Backup,
    *,
    settings: Sequence[str],
    owners: bool,
    timeout: float,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Replace everything in the schema, in one transaction.

    Args:
        database: the database.
        backup: a whole one, of this schema.
        settings: statements that run before the commit.
        owners: give the tables back to their owners, with their grants.
        timeout: seconds to wait for other sessions' locks.
        progress: called with the tables done and the tables in all.

    Raises:
        DatapkgError: what PostgreSQL complained about; the database is as it was.
    """
    _refuse_pooler(database)
    tools, server = find_restoring(database, backup), server_version(database)
    exists = database.fetch("SELECT 1 FROM pg_namespace WHERE nspname = %s", (backup.schema,))
    dsn, environment = connection_of(database)
    options = [] if owners else ["--no-owner", "--no-acl"]
    reading = tools.command("pg_restore", f"--schema={backup.schema}", "--file=-", *options, str(backup.path))
    writing = tools.command(
        "psql", "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", f"--dbname={dsn}"
    )
    done = 0
    with tempfile.TemporaryFile() as read_says, tempfile.TemporaryFile() as write_says:
        with (
            _child(writing, environment, stdin=subprocess.PIPE, stderr=write_says) as sink,
            _child(reading, environment, stdout=subprocess.PIPE, stderr=read_says) as source,
        ):
            assert sink.stdin is not None and source.stdout is not None
            # psql ends early after an error, and says so with its exit code.
            with suppress(BrokenPipeError):
                sink.stdin.write(_opening(backup.schema, new=not exists, timeout=timeout).encode())
                for event in _pass_on(source.stdout, sink.stdin, old_server=server < 17):
                    done += event
                    reach("restore.mid_write")
                    if progress is not None:
                        progress(min(done, backup.tables), backup.tables)
                # Without the COMMIT, which only a pg_restore that came to its end is worth, all of it is undone.
                if source.wait() == 0:
                    sink.stdin.write("".join(f"{statement};\n" for statement in settings).encode())
                    sink.stdin.flush()
                    reach("restore.before_commit")
                    sink.stdin.write(b"COMMIT;\n")
            with suppress(BrokenPipeError):
                sink.stdin.close()
            sink.wait()
        if sink.returncode:
            raise complaint("psql", sink.returncode, _text(write_says))
        if source.returncode:
            raise complaint("pg_restore", source.returncode, _text(read_says))
    reach("restore.after_commit")


def _refuse_pooler(database: PostgresMixin) -> None:
    """Refuse to go through PgBouncer, or another pooler that shares sessions.

    These programs empty their session's search path, and the pooler would hand that session to an application.
    """
    connection = database.connection()  # type: ignore[no-untyped-call]  # Peewee's
    # A pooler names no process of the server when somebody connects: it has chosen none yet.
    if connection.info.backend_pid != database.fetch("SELECT pg_backend_pid()", ())[0][0]:
        raise ConfigurationError(
            f"{database.url} leads to a pooler, whose sessions pg_dump and pg_restore would leave changed.",
            fix="Give the URL of the server itself.",
        )


def _opening(schema: str, *, new: bool, timeout: float) -> str:
    make = f"CREATE SCHEMA {quote(schema)};\n" if new else ""
    return (
        f"BEGIN;\nSET LOCAL lock_timeout = {max(1, int(timeout * 1000))};\nSET LOCAL statement_timeout = 0;\n"
        "SET LOCAL idle_in_transaction_session_timeout = 0;\n"
        f"SELECT pg_advisory_xact_lock({KEY});\n{make}{_CLEAR.replace('{schema}', literal(schema))}"
    )


def _pass_on(source: IO[bytes], sink: IO[bytes], *, old_server: bool) -> Iterator[int]:
    """Send a script on, and yield 1 whenever the rows of a table have gone."""
    copying = False
    for line in source:
        if copying:
            copying = line != b"\\.\n"
        elif line.startswith(b"COPY ") and line.endswith(b" FROM stdin;\n"):
            copying = True
        elif old_server and line == b"SET transaction_timeout = 0;\n":
            continue  # what pg_restore writes for every server is an error before PostgreSQL 17
        sink.write(line)
        if line == b"\\.\n" and not copying:
            yield 1


@contextmanager
def _child(
    command: Sequence[str],
    environment: dict[str, str],
    *,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | None = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=environment, stdin=stdin, stdout=stdout, stderr=stderr)
    try:
        yield process
    except BaseException:
        process.kill()
        raise
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(100_000).decode("utf-8", "replace")
