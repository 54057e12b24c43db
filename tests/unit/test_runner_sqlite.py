"""An SQLite file: found or refused with a remedy, copied whole, looked through, put back over nothing."""

import io
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.builders import NOW
from tests.manifests import a_manifest

from holdfast.api.database import Database
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.compress import Plain
from holdfast.runner.artifact.stream import Sink
from holdfast.runner.engines.protocol import Overrides
from holdfast.runner.engines.sqlite import program, restore, work
from holdfast.runner.engines.sqlite.place import MAGIC, Place
from holdfast.runner.engines.sqlite.source import SQLite
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.stop import Stop


@pytest.fixture
def claim(tmp_path):
    (tmp_path / "claim").mkdir()
    (tmp_path / "scratch").mkdir()
    return tmp_path / "claim"


def a_context(claim):
    return Context(
        Places(volume=claim, scratch=claim.parent / "scratch"), Stop(), Log(io.StringIO()), "pod-1", NOW
    )  # fmt: skip


def a_source(claim, context=None, **overrides):
    database = Database.model_validate(
        {"engine": "sqlite", "name": "app", "volume": {"claimName": "app-data", "path": "app.db"}}
    )
    return SQLite(database, context or a_context(claim), Overrides(**overrides))


def make(file: Path, script="create table t (x); insert into t values (1), (2);", journal="delete"):
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA journal_mode = {journal}")
        database.executescript(script)
    return file


def rows(file: Path, query="select count(*) from t"):
    with closing(sqlite3.connect(file)) as database:
        return database.execute(query).fetchall()


class Kept:
    """A bucket's end of a sink."""

    size = 0

    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += bytes(data)
        self.size = len(self.data)


def backed_up(source, context, scratch_bytes=None):
    """Return what would be stored."""
    kept = Kept()
    ready = source.validate()
    with source.dumping(None, ready, scratch_bytes) as dump, Progress(context.log, "dumping") as progress:
        said = dump.stream(Sink(Plain(), kept, progress), progress)
    assert said == "integrity_check passed on the copy"
    assert list(context.places.scratch.iterdir()) == []
    return kept.data


def refused(act, *arguments):
    with pytest.raises(HoldfastError) as caught:
        act(*arguments)
    assert len(caught.value.remedy) > 20
    return caught.value


@contextmanager
def beside(code, file):
    """Run another process on the file: one that opens and closes it here would free the locks of our own."""
    with subprocess.Popen([sys.executable, "-c", code, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        yield
        process.communicate()


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_what_is_stored_is_a_database_with_every_row(claim, tmp_path, journal):
    make(claim / "app.db", journal=journal)
    context = a_context(claim)
    (tmp_path / "copy.db").write_bytes(backed_up(a_source(claim, context=context), context))
    assert rows(tmp_path / "copy.db") == [(2,)]
    assert sorted(path.name for path in claim.iterdir()) == ["app.db"], "nothing is left beside the database"


LIVE = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("insert into t values (3)")
database.execute("begin")
database.execute("insert into t values (4)")
print("not committed", flush=True)
sys.stdin.read()
"""


def test_what_a_live_write_ahead_log_holds_is_backed_up_and_the_log_stays(claim, tmp_path):
    make(claim / "app.db", journal="wal")
    with beside(LIVE, claim / "app.db"):
        context = a_context(claim)
        (tmp_path / "copy.db").write_bytes(backed_up(a_source(claim, context=context), context))
        assert sorted(path.name for path in claim.iterdir()) == ["app.db", "app.db-shm", "app.db-wal"]
    assert rows(tmp_path / "copy.db") == [(3,)]


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_before_a_restore_it_says_how_big_it_is_and_when_it_was_last_written(claim, journal):
    file, log = make(claim / "app.db", journal=journal), claim / "app.db-wal"
    os.utime(file, (1_000_000_000, 1_000_000_000))
    last = 1_000_000_000
    if journal == "wal":  # a log that was not written into the file yet
        log.write_bytes(b"x" * 100)
        os.utime(log, (1_000_000_060, 1_000_000_060))
        last += 60
    seen = a_source(claim).look()
    assert seen.size_bytes == file.stat().st_size + (100 if journal == "wal" else 0)
    assert seen.newest_change.timestamp() == last
    assert (seen.tables, seen.rows, seen.clients) == (None, None, None)


def test_it_says_who_wrote_the_file_and_what_copies_it(claim):
    make(claim / "app.db")
    ready = a_source(claim).validate()
    assert (ready.server_version, ready.tool_version) == (f"SQLite {sqlite3.sqlite_version}",) * 2
    assert (ready.host, ready.database) == ("claim app-data, app.db", "app")
    assert ready.database_size == (claim / "app.db").stat().st_size


def a_missing_file(claim):
    make(claim / "other.db")


def an_empty_folder(claim):
    return None


def an_empty_file(claim):
    (claim / "app.db").touch()


def a_folder(claim):
    (claim / "app.db").mkdir()


def a_pipe(claim):
    os.mkfifo(claim / "app.db")


def a_text(claim):
    (claim / "app.db").write_text("app:\n  debug: true\n" * 20)


def an_encrypted_file(claim):
    (claim / "app.db").write_bytes(os.urandom(8192))


def a_head_alone(claim):
    (claim / "app.db").write_bytes(MAGIC)


def a_link_out(claim):
    (claim.parent / "secret").write_text("secret")
    (claim / "app.db").symlink_to("../secret")


def a_loop(claim):
    (claim / "app.db").symlink_to("app.db")


@pytest.mark.parametrize(
    ("prepare", "reason", "says"),
    [
        (a_missing_file, Reason.DATABASE_NOT_FOUND, "its folder has 'other.db'"),
        (an_empty_folder, Reason.DATABASE_NOT_FOUND, "its folder is empty"),
        (an_empty_file, Reason.NOT_A_DATABASE, "is empty (0 bytes)"),
        (a_folder, Reason.NOT_A_DATABASE, "not a regular file"),
        (a_pipe, Reason.NOT_A_DATABASE, "not a regular file"),
        (a_text, Reason.NOT_A_DATABASE, "does not begin like"),
        (an_encrypted_file, Reason.NOT_A_DATABASE, "does not begin like"),
        (a_head_alone, Reason.NOT_A_DATABASE, "does not begin like"),
        (a_link_out, Reason.DATABASE_NOT_FOUND, "is a link out of the claim"),
        (a_loop, Reason.DATABASE_NOT_FOUND, "'app.db' of claim app-data"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_no_database_is_told_before_anything_is_done(claim, prepare, reason, says):
    prepare(claim)
    before = sorted(claim.iterdir())
    error = refused(a_source(claim).validate)
    assert (error.reason, error.exit_code) == (reason, 3)
    assert says in error.message
    assert "app-data" in error.message
    assert sorted(claim.iterdir()) == before


def test_a_link_within_the_claim_is_followed(claim, tmp_path):
    make(claim / "v2.db")
    (claim / "app.db").symlink_to("v2.db")
    context = a_context(claim)
    assert backed_up(a_source(claim, context=context), context).startswith(MAGIC)


def test_damage_is_told_with_what_integrity_check_said_and_nothing_is_stored(claim):
    make(claim / "app.db", "create table t (x unique); insert into t values ('one'), ('two'), ('three');")
    data = bytearray((claim / "app.db").read_bytes())
    data[data.rindex(b"two") : data.rindex(b"two") + 3] = b"owt"  # in the index, not in the table
    (claim / "app.db").write_bytes(data)
    context = a_context(claim)
    error = refused(backed_up, a_source(claim, context=context), context)
    assert (error.reason, error.exit_code) == (Reason.DATABASE_CORRUPT, 5)
    assert "integrity_check found" in error.message
    assert "index sqlite_autoindex_t_1" in error.message


@pytest.mark.parametrize("cut", [8192, 20000], ids=["to a page", "within a page"])
def test_a_file_that_lost_its_end_is_no_backup(claim, cut):
    make(claim / "app.db", f"create table t (x); insert into t values {', '.join(['(randomblob(1000))'] * 100)};")
    os.truncate(claim / "app.db", cut)
    context = a_context(claim)
    assert refused(backed_up, a_source(claim, context=context), context).reason is Reason.DATABASE_CORRUPT


def test_a_header_with_something_else_behind_it_is_no_database(claim):
    (claim / "app.db").write_bytes(MAGIC + os.urandom(8176))
    context = a_context(claim)
    assert refused(backed_up, a_source(claim, context=context), context).reason is Reason.NOT_A_DATABASE


HOLDER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA locking_mode = EXCLUSIVE")
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_lock_that_is_never_freed_is_told_after_a_while(claim, monkeypatch, journal):
    monkeypatch.setattr(work, "LOCK_SECONDS", 0.6)
    make(claim / "app.db", journal=journal)
    context = a_context(claim)
    with beside(HOLDER, claim / "app.db"):
        error = refused(backed_up, a_source(claim, context=context), context)
    assert error.reason is Reason.DATABASE_LOCKED
    assert "locking_mode=EXCLUSIVE" in error.remedy


def test_a_copy_that_cannot_fit_is_told_beforehand_with_both_numbers(claim):
    make(claim / "app.db")
    context = a_context(claim)
    error = refused(backed_up, a_source(claim, context=context), context, 5000)
    assert error.reason is Reason.SCRATCH_TOO_SMALL
    assert "8192 bytes" in error.message
    assert "5000 bytes" in error.message
    assert "job.scratch.sizeLimit" in error.remedy
    assert "format" not in error.remedy


def test_a_stop_ends_the_copy_at_once_and_leaves_nothing(claim, monkeypatch):
    """One step of the online backup cannot be interrupted; the process that takes it can be killed."""
    make(claim / "app.db")
    asked = HoldfastError(Reason.INTERRUPTED, "told to end", "apply a new one when it is well")
    context = a_context(claim)
    monkeypatch.setattr(work, "_PROGRAM", (sys.executable, "-c", "import signal; signal.pause()"))
    source = a_source(claim, context=context)
    ready = source.validate()
    with source.dumping(None, ready, None) as dump, Progress(context.log, "dumping") as progress:
        context.stop.request(asked)
        assert refused(dump.stream, Sink(Plain(), Kept(), progress), progress) is asked
    assert list(context.places.scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "reason", "says"),
    [
        ("import os; os.kill(os.getpid(), 7)", Reason.DUMP_KILLED, "SIGBUS"),
        ("import sys; sys.exit(3)", Reason.DUMP_FAILED, "ended with code 3"),
        ("print('half of it')", Reason.DUMP_FAILED, "ended with code 0"),
    ],
    ids=["the volume went away", "an exit code", "an answer that is none"],
)
def test_a_program_that_ends_without_an_answer_is_no_success(claim, monkeypatch, code, reason, says):
    make(claim / "app.db")
    monkeypatch.setattr(work, "_PROGRAM", (sys.executable, "-c", code))
    context = a_context(claim)
    error = refused(backed_up, a_source(claim, context=context), context)
    assert error.reason is reason
    assert says in error.message


WARNED = {
    "a broken foreign key": (
        "create table p (i integer primary key); create table c (p references p); insert into c values (1), (2);",
        "foreign_key_check: 2 rows refer to none, in c",
    ),
    "a foreign key to no key": (
        "create table p (i); create table c (p references p(i)); insert into c values (1);",
        "foreign_key_check: foreign key mismatch",
    ),
    "a row that breaks a rule of its table": (
        "create table t (x check (x > 0)); pragma ignore_check_constraints = 1; insert into t values (-1);",
        "integrity_check: CHECK constraint failed in t",
    ),
}


@pytest.mark.parametrize(("script", "says"), WARNED.values(), ids=WARNED.keys())
def test_what_the_data_has_wrong_is_a_warning_as_the_copy_is_true_to_it(claim, script, says):
    make(claim / "app.db", script)
    context = a_context(claim)
    source = a_source(claim, context=context)
    assert backed_up(source, context)
    assert any(says in warning for warning in source.warnings), source.warnings


def test_a_collation_that_only_the_application_has_costs_a_warning_not_the_backup(claim):
    with closing(sqlite3.connect(claim / "app.db")) as database:
        database.create_collation("LOCAL", lambda one, other: (one < other) - (one > other))  # backwards
        database.executescript("create table t (x text collate LOCAL); create index i on t (x)")
        database.executemany("insert into t values (?)", [(str(n),) for n in range(2000)])
        database.commit()
    context = a_context(claim)
    source = a_source(claim, context=context)
    assert backed_up(source, context)
    assert any("no such collation sequence: LOCAL" in warning for warning in source.warnings)


APPLICATIONS_OWN = {
    "a tokenizer of fts4": ("create virtual table titles using fts4(title, tokenize=simple)", "simple", "collating"),
    "a tokenizer of fts5": ("create virtual table titles using fts5(title, tokenize=porter)", "porter", "collating"),
    "a module": ("create virtual table titles using fts5(title)", "fts5", "spellfix9"),
    "arguments of another release": ("create virtual table titles using rtree(id, a, b)", "(id, a, b)", "(id, a)"),
}
FILMS = """
create table films (id integer primary key, title text); insert into films values (1, 'one'), (2, 'two');
create index by_title on films (title);
"""


def make_with(file: Path, make_table, ours, theirs, journal="delete"):
    """Make a virtual table that only the application can open: by hand, since it alone has what that takes."""
    make(file, f"{FILMS} {make_table};", journal)
    with closing(sqlite3.connect(file)) as database:
        database.execute("pragma writable_schema = on")
        database.execute("update sqlite_schema set sql = replace(sql, ?, ?) where name = 'titles'", (ours, theirs))
        database.commit()


@pytest.fixture(params=["opened", "read"])
def checks_virtual_tables(request, monkeypatch):
    """Have the checks open each virtual table of the schema in force, as SQLite does since its release 3.44.

    "read": as if the table's module failed only then, as fts5 does since 3.47.
    """
    rows_of, failing = program._rows, program._failing

    def opening(database, pragma):
        for row in database.execute("pragma main.table_list").fetchall():
            if row[2] == "virtual":
                database.execute(f"select 1 from {row[1]} limit 0")
        return rows_of(database, pragma)

    def late(database, statement):
        return {} if statement.startswith("select") else failing(database, "select 1 from {} limit 0")

    monkeypatch.setattr(program, "_rows", opening)
    if request.param == "read":
        monkeypatch.setattr(program, "_failing", late)
    return request.param


@pytest.mark.parametrize("case", APPLICATIONS_OWN.values(), ids=APPLICATIONS_OWN.keys())
def test_a_virtual_table_that_only_the_application_can_open_costs_a_warning_and_the_file_stays_as_it_is(
    claim, case, checks_virtual_tables
):
    make_with(claim / "app.db", *case, journal={"opened": "delete", "read": "wal"}[checks_virtual_tables])
    before = (claim / "app.db").read_bytes()
    said = program.check(str(claim / "app.db"))
    assert said["problems"] == 0
    assert [warning for warning in said["warnings"] if "virtual table titles was copied" in warning] == said["warnings"]
    assert said["warnings"], "it is told"
    assert (claim / "app.db").read_bytes() == before


def test_beside_such_a_virtual_table_the_rows_of_all_others_are_counted_and_every_byte_comes_back(claim, tmp_path):
    make_with(claim / "app.db", *APPLICATIONS_OWN["a tokenizer of fts4"])
    context = a_context(claim)
    source = a_source(claim, context=context)
    stored = backed_up(source, context)
    assert len(source.warnings) == 1
    put(a_source(claim, path="restored.db"), stored, context)
    query = "select type, name, sql from sqlite_schema"
    assert rows(claim / "restored.db", query) == rows(claim / "app.db", query)
    assert rows(claim / "restored.db", "select * from films") == [(1, "one"), (2, "two")]


@pytest.mark.usefixtures("checks_virtual_tables")
def test_damage_beside_such_a_virtual_table_is_still_found(claim):
    make_with(claim / "app.db", *APPLICATIONS_OWN["a tokenizer of fts4"])
    with closing(sqlite3.connect(claim / "app.db")) as database:
        database.execute("pragma writable_schema = on")
        database.execute("update sqlite_schema set sql = 'CREATE INDEX by_title on films (id)' where name = 'by_title'")
        database.commit()
    said = program.check(str(claim / "app.db"))
    assert said["problems"]
    assert "by_title" in said["first"][0]


def test_a_virtual_table_that_can_be_opened_is_no_reason_for_a_warning(claim):
    make(claim / "app.db", "create virtual table titles using fts5(title); insert into titles values ('one');")
    assert program.check(str(claim / "app.db")) == {"problems": 0, "first": [], "warnings": []}


REMEDIES = {"SQLITE_IOERR_READ": "driver", "SQLITE_NOMEM": "limits.memory", "SQLITE_ERROR": "read the Job's log"}


@pytest.mark.parametrize(("name", "remedy"), REMEDIES.items(), ids=REMEDIES.keys())
def test_the_disk_is_blamed_for_what_the_disk_did_and_for_nothing_else(claim, name, remedy):
    error = work.failure(Place(claim, "app-data", "app.db"), name, "it says so", "checking the copy")
    assert error.reason is Reason.DUMP_FAILED
    assert remedy in error.remedy
    assert ("driver" in error.remedy) == (remedy == "driver")


def test_a_sound_database_has_no_warnings(claim):
    make(claim / "app.db", "create table p (i integer primary key); create table c (p references p);")
    assert program.check(str(claim / "app.db")) == {"problems": 0, "first": [], "warnings": []}


# what the copy holds


COUNTED = """
create table t (x); insert into t values (1), (2), (3);
create table "it's ""odd""; drop" (x); insert into "it's ""odd""; drop" values (1);
create table empty (x);
create table k (i integer primary key, v text) without rowid; insert into k values (1, 'a'), (2, 'b');
create table n (i integer primary key autoincrement); insert into n default values;
create view v as select * from t;
create index i on t (x);
analyze;
"""


def contents(claim, script):
    """Return the program's answer about such a database."""
    file = make(claim / "app.db", script, "wal")
    command = [sys.executable, "-m", "holdfast.runner.engines.sqlite.program", "contents", file]
    said = subprocess.run(command, capture_output=True, check=True).stdout
    file.unlink()
    return json.loads(said)


def test_the_rows_of_every_table_are_counted_but_not_those_of_sqlites_own(claim):
    context = a_context(claim)
    make(claim / "app.db", COUNTED)
    source = a_source(claim, context=context)
    with source.dumping(None, source.validate(), None) as dump, Progress(context.log, "dumping") as progress:
        dump.stream(Sink(Plain(), Kept(), progress), progress)
    counts = {table.name: table.rows for table in dump.contents.tables}
    assert counts == {"t": 3, 'it\'s "odd"; drop': 1, "empty": 0, "k": 2, "n": 1}
    assert dump.contents.rows == 7


def test_the_rows_of_a_virtual_table_are_those_of_its_own_tables(claim):
    answer = contents(claim, "create virtual table f using fts5(x); insert into f values ('a'), ('b');")
    counts = dict(answer["tables"])
    assert "f" not in counts
    assert counts["f_content"] == 2


def test_the_schemas_hash_changes_with_the_schema_and_with_nothing_else(claim):
    schema = "create table t (x); create index i on t (x);"
    before = contents(claim, schema)["schema"]
    assert contents(claim, f"{schema} insert into t values (1); analyze;")["schema"] == before
    assert contents(claim, f"{schema} drop index i;")["schema"] != before


MIGRATED = """
create table schema_migrations (version uint64, dirty bool); insert into schema_migrations values (43, 1);
create table "__EFMigrationsHistory" ("MigrationId" text primary key, "ProductVersion" text not null);
insert into "__EFMigrationsHistory" values ('20260101_Init', '9.0.0');
create table knex_migrations (id integer primary key, name varchar(255), batch integer, migration_time datetime);
create table knex_migrations_lock ("index" integer primary key, is_locked integer);
insert into knex_migrations values (1, '001_init.js', 1, 0), (2, '002_total.js', 1, 0);
insert into knex_migrations_lock values (1, 0);
"""


def test_migrations_are_read_in_the_copy(claim):
    answer = contents(claim, MIGRATED)
    found = {each["tool"]: (each["applied"], each["failed"], each["locked"]) for each in answer["migrations"]}
    assert found == {
        "Knex": (["001_init.js", "002_total.js"], [], False),
        "EF Core": (["20260101_Init"], [], False),
        "golang-migrate": ([], ["43"], False),
    }
    assert answer["migrations"][0]["tool"] == "Knex", "the longest is first"
    assert [warning for warning in answer["warnings"] if "golang-migrate records 43" in warning]


def test_what_only_the_application_can_read_is_not_counted_and_that_is_told(claim):
    context = a_context(claim)
    with closing(sqlite3.connect(claim / "app.db")) as database:
        database.create_collation("LOCAL", lambda one, other: (one > other) - (one < other))
        database.executescript("create table t (x collate LOCAL primary key) without rowid; insert into t values (1);")
    source = a_source(claim, context=context)
    with source.dumping(None, source.validate(), None) as dump, Progress(context.log, "dumping") as progress:
        dump.stream(Sink(Plain(), Kept(), progress), progress)
    assert dump.contents is None
    assert source.warnings[-1] == "rows were not counted: no such collation sequence: LOCAL"


def put(source, data, context):
    """Restore these bytes, as the restore task does."""

    class Artifact:
        uncompressed_bytes = len(data)

    source.require_empty()
    with Progress(context.log, "restoring") as progress:
        source.restore(None, Artifact, iter([data[:5000], data[5000:]]), progress)


def test_a_restore_makes_the_file_and_its_folders_and_nothing_else(claim, tmp_path):
    data = make(tmp_path / "original.db").read_bytes()
    context = a_context(claim)
    put(a_source(claim, context, path="var/lib/app.db"), data, context)
    assert [str(path.relative_to(claim)) for path in claim.rglob("*") if path.is_file()] == ["var/lib/app.db"]
    assert (claim / "var/lib/app.db").read_bytes() == data
    assert (claim / "var/lib/app.db").stat().st_mode & 0o777 == 0o660


def test_an_empty_file_may_be_restored_over(claim, tmp_path):
    data = make(tmp_path / "original.db").read_bytes()
    (claim / "app.db").touch()
    context = a_context(claim)
    put(a_source(claim, context=context), data, context)
    assert rows(claim / "app.db") == [(2,)]


@pytest.mark.parametrize("there", ["app.db", "app.db-wal", "app.db-journal", "app.db-shm"])
def test_a_restore_refuses_a_database_and_what_would_be_played_into_a_new_one(claim, tmp_path, there):
    data = make(tmp_path / "original.db").read_bytes()
    (claim / there).write_bytes(b"somebody's")
    context = a_context(claim)
    error = refused(put, a_source(claim, context=context), data, context)
    assert error.reason is Reason.TARGET_NOT_EMPTY
    assert there in error.message
    assert [path.name for path in claim.iterdir()] == [there]
    assert (claim / there).read_bytes() == b"somebody's"


def test_a_database_that_appears_during_the_restore_is_never_replaced(claim, tmp_path):
    data = make(tmp_path / "original.db").read_bytes()
    context = a_context(claim)
    place = Place(claim, "app-data", "app.db")

    def stream():
        yield data[:5000]
        (claim / "app.db").write_bytes(b"somebody's")
        yield data[5000:]

    with Progress(context.log, "restoring") as progress:
        error = refused(restore.write, place, stream(), len(data), "pod-1", progress)
    assert error.reason is Reason.TARGET_NOT_EMPTY
    assert [(path.name, path.read_bytes()) for path in claim.iterdir()] == [("app.db", b"somebody's")]


def test_a_stream_that_breaks_off_leaves_nothing(claim):
    context = a_context(claim)
    broken = HoldfastError(Reason.CHECKSUM_MISMATCH, "not the sum", "restore another backup")

    def stream():
        yield MAGIC
        raise broken

    place = Place(claim, "app-data", "app.db")
    with Progress(context.log, "restoring") as progress:
        assert refused(restore.write, place, stream(), 100, "pod-1", progress) is broken
    assert list(claim.iterdir()) == []


def test_what_holds_no_database_is_not_restored(claim):
    context = a_context(claim)
    assert refused(put, a_source(claim, context=context), b"x" * 9000, context).reason is Reason.RESTORE_FAILED
    assert list(claim.iterdir()) == []


def test_too_little_room_in_the_claim_is_told_beforehand(claim):
    context = a_context(claim)
    place = Place(claim, "app-data", "app.db")
    with Progress(context.log, "restoring") as progress:
        error = refused(restore.write, place, iter([MAGIC]), 1 << 60, "pod-1", progress)
    assert error.reason is Reason.DISK_FULL
    assert "claim app-data has" in error.message
    assert list(claim.iterdir()) == []


@pytest.mark.parametrize("path", ["app.db", "in/a/folder/app.db"])
def test_too_little_room_in_the_claim_is_told_before_anything_is_fetched(claim, path):
    manifest = a_manifest("pod-1")
    huge = manifest.artifact.model_copy(update={"uncompressed_bytes": 1 << 60})
    error = refused(a_source(claim, path=path).require_needs, manifest.model_copy(update={"artifact": huge}))
    assert error.reason is Reason.DISK_FULL
    assert "but the database needs 1153 PB (1152921504606846976 bytes)" in error.message
    assert list(claim.iterdir()) == []
    fits = manifest.artifact.model_copy(update={"uncompressed_bytes": 1})
    a_source(claim, path=path).require_needs(manifest.model_copy(update={"artifact": fits}))


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "/etc/passwd", "."])
def test_a_path_that_a_person_gives_to_a_restore_stays_in_the_claim(claim, path):
    error = refused(a_source(claim, path=path).require_empty)
    assert error.reason is Reason.DATABASE_NOT_FOUND
    assert "is a link out of the claim" in error.message
