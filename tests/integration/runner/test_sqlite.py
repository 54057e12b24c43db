"""An SQLite file on a claim, backed up beside its application and put back, by the runner's image as the file's owner.

A folder stands for the claim; the application is a process of another container that has it mounted too.
"""

import itertools
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.integration.runner.containers import docker, remove, wait_for
from tests.integration.runner.pod import Pod, Result
from tests.integration.runner.replacing import came
from tests.integration.runner.ways_back import ELSEWHERE, REPLACED, Way, cases, each_value, product
from tests.integration.runner.world import World, assert_failed

from holdfast.api.database import Database
from holdfast.api.policy import Dump
from holdfast.api.restoring import RestoreMode
from holdfast.api.storage import Age, Encryption
from holdfast.contract.task import BackupTask, Beside, RestoreTask

IMAGE = "holdfast-runner-sqlite:3"
OWNER = "4711:4712"  # not the runner's own user
PATH = "data/app.db"
NAMES = Beside(fresh=f"{PATH}_restoring_1", old=f"{PATH}_before_1")
SCHEMA = """
    create table noise (i integer primary key, words blob);
    create table orders (n integer primary key, words text);
    create table items (n integer primary key references orders, words text);
    create table total (n integer);
    insert into total values (0);
"""
# Each transaction writes three tables; what is printed is committed.
WRITER = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
n = 0
while True:
    n += 1
    database.execute("begin immediate")
    database.execute("insert into orders values (?, ?)", (n, f"order {n} größe"))
    database.execute("update total set n = ?", (n,))
    database.execute("insert into items values (?, ?)", (n, f"item {n}"))
    database.execute("commit")
    print(n, flush=True)
    time.sleep(0.001)  # leaves the processor to others
"""
# Killed in the midst of its work: what it committed stands in the write-ahead log alone.
CRASHED = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("insert into orders values (1, 'in the log')")
os.kill(os.getpid(), 9)
"""
HOLDER = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("begin exclusive")
print("held", flush=True)
time.sleep(300)
"""


@dataclass
class Claim:
    """A claim, its application, and the Pods of Jobs that mount it."""

    world: World
    folder: Path
    containers: list[str] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def file(self) -> Path:
        return self.folder / PATH

    def beside(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def make(self, journal: str, kilobytes: int = 10) -> None:
        """Make the database, with this much that cannot be compressed."""
        with closing(sqlite3.connect(self.file, isolation_level=None)) as database:
            database.execute(f"pragma journal_mode = {journal}")
            database.executescript(SCHEMA)
            database.execute("begin")
            rows = ((number, os.urandom(1000)) for number in range(kilobytes))
            database.executemany("insert into noise values (?, ?)", rows)
            database.execute("commit")
        os.chown(self.file, *map(int, OWNER.split(":")))

    def application(self, code: str) -> str:
        """Run code as the file's owner to its end; return what it printed."""
        return docker("run", "--rm", *self._as_owner(), "-c", code, f"/claim/{PATH}", check=False)

    def start(self, code: str) -> str:
        """Start code as the file's owner; return the container's name, once it has printed something."""
        name = f"{self.world.network}-app-{next(self._numbers)}-{os.getpid()}"
        self.containers.append(name)
        docker("run", "--detach", "--name", name, *self._as_owner(), "-c", code, f"/claim/{PATH}")
        wait_for(lambda: self.printed(name), f"{name} to print")
        return name

    def printed(self, name: str) -> list[str]:
        return docker("logs", name).split()

    def _as_owner(self) -> list[str]:
        mount = f"{self.folder}:/claim"
        return ["--user", OWNER, "--init", "--volume", mount, "--entrypoint", "python", IMAGE]

    def database(self, path: str = PATH) -> Database:
        uid, gid = map(int, OWNER.split(":"))
        volume = {"claimName": "app-data", "path": path, "runAsUser": uid, "runAsGroup": gid}
        return Database.model_validate({"engine": "sqlite", "name": "app", "volume": volume})

    def backup(self, **changes: Any) -> BackupTask:
        task = self.world.backup()
        fields = {"database": self.database(), "dump": Dump.model_validate({"format": "sqlite"})}
        return task.model_copy(update=fields | {"scratch_bytes": 512 << 20} | changes)

    def pod(self, task: Any, **changes: Any) -> Pod:
        fields = {"image": IMAGE, "user": OWNER, "claim": self.folder, "database_secret": None}
        return self.world.pod(task, **(fields | changes))

    def restored(self, task: BackupTask, path: str, **changes: Any) -> Result:
        restore = self.world.restore(task, "unused").model_copy(
            update={"database": task.database, "scratch_bytes": None}
        )
        return self.pod(restore, arguments=["--target-claim=", f"--target-path={path}"], **changes).run()

    def task_to_replace(self, task: BackupTask) -> RestoreTask:
        """Restore it in the place of the file, which stays as NAMES.old."""
        fields = {"database": task.database, "scratch_bytes": None, "mode": RestoreMode.REPLACE, "beside": NAMES}
        return self.world.restore(task, "unused").model_copy(update=fields)

    def sql(self, script: str) -> None:
        """Change the file, as its application does."""
        with closing(sqlite3.connect(self.file, isolation_level=None)) as database:
            database.executescript(script)


@pytest.fixture
def claim(world: World) -> Iterator[Claim]:
    result = Claim(world, a_folder(world.folder / f"claim-{len(list(world.folder.glob('claim-*')))}"))
    yield result
    remove(*result.containers)
    shutil.rmtree(result.folder)


def a_folder(folder: Path) -> Path:
    """Make a claim's folder, as its application has it."""
    (folder / "data").mkdir(parents=True)
    uid, gid = map(int, OWNER.split(":"))
    for path in (folder, folder / "data"):
        os.chown(path, uid, gid)
        path.chmod(0o750)
    return folder


def orders_in(file: Path) -> list[int]:
    """Return the numbers of the orders; every row must be the one that was written, in all three tables alike."""
    with closing(sqlite3.connect(file)) as database:
        numbers = [row[0] for row in database.execute("select n from orders order by n")]
        assert database.execute("select n, words from orders order by n").fetchall() == [
            (n, f"order {n} größe") for n in numbers
        ]
        assert database.execute("select n, words from items order by n").fetchall() == [
            (n, f"item {n}") for n in numbers
        ]
        assert database.execute("select n from total").fetchall() == [(len(numbers),)]
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
    return numbers


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_backup_beside_a_steady_writer_has_every_row_of_one_moment_and_comes_back(
    world: World, claim: Claim, journal: str
) -> None:
    claim.make(journal, 4000)
    writer = claim.start(WRITER)
    before = len(claim.printed(writer))
    files = [PATH, f"{PATH}-shm", f"{PATH}-wal"] if journal == "wal" else [PATH]

    task = claim.backup()
    result = claim.pod(task).run()

    after = len(claim.printed(writer))
    world.assert_backed_up(task, result)
    manifest = world.manifest(task)
    assert (manifest.artifact.format, manifest.artifact.key.endswith(".sqlite.gz")) == ("sqlite", True)
    assert manifest.verification.file_readable == "integrity_check passed on the copy"
    assert manifest.database.host == f"claim app-data, {PATH}"
    docker("kill", writer)
    assert [name for name in claim.beside() if not name.endswith("-journal")] == files

    restored = claim.restored(task, "new/place.db")
    assert restored.exit_code == 0, restored.log
    copy = claim.folder / "new/place.db"
    state = copy.stat()
    assert (f"{state.st_uid}:{state.st_gid}", state.st_mode & 0o777) == (OWNER, 0o660)
    numbers = orders_in(copy)
    assert numbers == list(range(1, len(numbers) + 1))
    assert before <= len(numbers) <= after + 1  # one may have been committed and not yet printed
    assert after > before, "the writer has written meanwhile"


@pytest.mark.parametrize("way", cases(product(["sqlite"]), each_value("sqlite")))
def test_each_compression_plain_and_encrypted_comes_back_to_each_target_with_every_byte(
    world: World, claim: Claim, way: Way
) -> None:
    claim.make("delete", 500)
    dump = {"format": "sqlite", "compression": {"algorithm": way.algorithm}}
    recipients = Encryption(age=Age(recipients=way.recipients)) if way.encrypted else None
    task = claim.backup(dump=Dump.model_validate(dump), encryption=recipients)
    world.assert_backed_up(task, claim.pod(task).run())
    counts = {table.name: table.rows for table in world.manifest(task).tables or []}
    assert counts == {"noise": 500, "orders": 0, "items": 0, "total": 1}
    before = content(claim.file)

    if way.target == REPLACED:
        claim.sql("delete from noise; insert into orders values (1, 'later')")
        later = content(claim.file)
        result = claim.pod(claim.task_to_replace(task), age_identity=way.identity).run()
        there = claim.file
    else:
        target = another(claim) if way.target == ELSEWHERE else claim
        result = target.restored(task, "again.db", age_identity=way.identity)
        there = target.folder / "again.db"
    report = came(result)
    assert content(there) == before
    if way.target == REPLACED:
        assert report.replaced is not None
        assert content(claim.folder / report.replaced) == later


def another(claim: Claim) -> Claim:
    """Make another claim, within the folder of the first, which removes it."""
    return Claim(claim.world, a_folder(claim.folder / "of-another-claim"))


def content(file: Path) -> str:
    with closing(sqlite3.connect(file)) as database:
        return "\n".join(database.iterdump())


# By hand: the application, which alone has the tokenizer, would make it so.
OWN_TOKENIZER = """
    create virtual table titles using fts4(title, tokenize=simple);
    create table films (id integer primary key, title text);
    insert into films values (1, 'one');
    insert into titles values ('one');
    pragma writable_schema = on;
    update sqlite_schema set sql = replace(sql, 'simple', 'collating') where name = 'titles';
"""


def test_a_table_with_a_tokenizer_of_the_applications_own_is_backed_up_with_a_warning_and_comes_back(
    world: World, claim: Claim
) -> None:
    with closing(sqlite3.connect(claim.file)) as database:
        database.executescript(OWN_TOKENIZER)
    os.chown(claim.file, *map(int, OWNER.split(":")))
    task = claim.backup()
    result = claim.pod(task).run()
    world.assert_backed_up(task, result)
    assert result.report is not None
    assert [warning for warning in result.report.warnings if "virtual table titles" in warning]
    restored = claim.restored(task, "again.db")
    assert restored.exit_code == 0, restored.log
    for query in ("select type, name, sql from sqlite_schema", "select * from films", "select * from titles_content"):
        assert rows(claim.folder / "again.db", query) == rows(claim.file, query)


def rows(file: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as database:
        return database.execute(query).fetchall()


def test_the_log_of_a_crashed_application_is_backed_up_and_stays_as_it_was(world: World, claim: Claim) -> None:
    claim.make("wal")
    claim.application(CRASHED)
    log = (claim.folder / f"{PATH}-wal").read_bytes()
    database = claim.file.read_bytes()
    assert log

    task = claim.backup()
    world.assert_backed_up(task, claim.pod(task).run())

    assert claim.file.read_bytes() == database
    assert (claim.folder / f"{PATH}-wal").read_bytes() == log
    assert claim.restored(task, "copy.db").exit_code == 0
    with closing(sqlite3.connect(claim.folder / "copy.db")) as copy:
        assert copy.execute("select words from orders").fetchall() == [("in the log",)]


def nothing(claim: Claim) -> None:
    """Leave the database as it is."""


def closed(claim: Claim) -> None:
    claim.file.chmod(0o600)


CASES: dict[str, tuple[Callable[[Claim], None], str, dict[str, Any], int, str, list[str]]] = {
    "the file is another user's": (
        closed, "delete", {"user": "1000:1000"}, 3, "FileAccessDenied", ["user 1000, group 1000", "user 4711"],
    ),
    "the volume takes no writes and there is a log": (
        nothing, "wal", {"claim_options": "ro"}, 3, "VolumeReadOnly", ["app-data", "read-only"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("prepare", "journal", "changes", "code", "reason", "says"), CASES.values(), ids=CASES.keys())
def test_a_file_that_cannot_be_read_is_told_with_its_remedy(
    world: World, claim: Claim, prepare: Callable[[Claim], None], journal: str, changes: dict[str, Any], code: int,
    reason: str, says: list[str],
) -> None:  # fmt: skip
    claim.make(journal)
    prepare(claim)
    task = claim.backup()
    assert_failed(claim.pod(task, **changes).run(), code, reason, *says)
    world.assert_nothing_left(task)
    assert claim.beside() == [PATH]


@pytest.mark.matrix
def test_a_log_that_cannot_be_kept_in_a_folder_of_roots_is_told(world: World, claim: Claim) -> None:
    claim.make("wal")
    os.chown(claim.folder / "data", 0, 4712)
    task = claim.backup()
    assert_failed(claim.pod(task).run(), 3, "FileAccessDenied", "user 4711", PATH)
    assert claim.beside() == [PATH]


@pytest.mark.matrix
def test_a_file_that_is_only_read_needs_no_write_at_all(world: World, claim: Claim) -> None:
    claim.make("delete")
    task = claim.backup()
    world.assert_backed_up(task, claim.pod(task, claim_options="ro").run())


@contextmanager
def mid_copy(claim: Claim, pod: Pod) -> Iterator[None]:
    """Hold the database's lock, so that the copy stands still; the block runs meanwhile."""
    claim.make("delete")
    claim.start(HOLDER)
    pod.start()
    pod.wait_for_line(lambda line: line["event"] == "progress", "a copy that waits")
    yield


def test_sigterm_during_the_copy_ends_it_and_leaves_nothing(world: World, claim: Claim) -> None:
    task = claim.backup()
    pod = claim.pod(task)
    with mid_copy(claim, pod):
        pod.stop()
        result = pod.result()
    assert_failed(result, 9, "Interrupted", "SIGTERM")
    assert result.report is not None
    assert result.report.clean
    world.assert_nothing_left(task)
    assert claim.beside() == [PATH]


@pytest.mark.matrix
def test_sigkill_during_the_copy_leaves_what_the_cleanup_removes(world: World, claim: Claim) -> None:
    task = claim.backup()
    pod = claim.pod(task)
    with mid_copy(claim, pod):
        pod.kill("KILL")
        result = pod.result()
    assert (result.exit_code, result.report) == (137, None)
    assert claim.beside() == [PATH]
    cleaned = world.pod(world.cleanup(task), database_secret=None, image=IMAGE).run()
    assert cleaned.exit_code == 0, cleaned.log
    world.assert_nothing_left(task)


@pytest.mark.matrix
def test_the_process_that_copies_may_be_killed_and_that_is_no_success(world: World, claim: Claim) -> None:
    task = claim.backup()
    pod = claim.pod(task)
    with mid_copy(claim, pod):
        pod.exec("for p in /proc/[0-9]*; do grep -q sqlite[.]program $p/cmdline && kill -9 ${p#/proc/}; done; true")
        result = pod.result()
    assert_failed(result, 7, "DumpKilled", "SIGKILL while copying")
    world.assert_nothing_left(task)
    assert claim.beside() == [PATH]


@pytest.mark.matrix
def test_the_deadline_ends_a_copy_that_waits(world: World, claim: Claim) -> None:
    task = claim.backup(deadline_seconds=4)
    pod = claim.pod(task)
    with mid_copy(claim, pod):
        result = pod.result()
    assert_failed(result, 8, "DeadlineExceeded", "4 s")
    world.assert_nothing_left(task)


@pytest.mark.matrix
def test_a_lock_that_stays_is_told_after_a_minute(world: World, claim: Claim) -> None:
    task = claim.backup()
    pod = claim.pod(task)
    with mid_copy(claim, pod):
        result = pod.result()
    assert_failed(result, 3, "DatabaseLocked", f"{PATH!r} of claim app-data stayed locked for 60 s")
    world.assert_nothing_left(task)


@pytest.mark.matrix
@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_sigterm_while_the_copy_is_stored_leaves_nothing(world: World, claim: Claim, journal: str) -> None:
    claim.make(journal, 100000)
    task = claim.backup()
    pod = claim.pod(task, memory="512m").start()  # the scratch volume counts, as it is in memory here
    wait_for(lambda: pod.lines and world.store.parts_in_flight(task.key_prefix), "the first part in the store")
    pod.stop()
    result = pod.result()
    assert_failed(result, 9, "Interrupted", "SIGTERM")
    world.assert_nothing_left(task)
    assert claim.beside() == [PATH]


def moved(claim: Claim) -> None:
    claim.file.rename(claim.file.with_name("b.db"))


def encrypted(claim: Claim) -> None:
    claim.file.write_bytes(os.urandom(9000))


def text(claim: Claim) -> None:
    claim.file.write_text("no database\n" * 100)


def damaged(claim: Claim) -> None:
    data = bytearray(claim.file.read_bytes())
    for page in range(4, len(data) // 4096, 3):
        data[page * 4096 : page * 4096 + 16] = b"\xff" * 16
    claim.file.write_bytes(data)


WRONG: dict[str, tuple[Callable[[Claim], None], dict[str, Any], int, str, list[str]]] = {
    "no such file": (moved, {}, 3, "DatabaseNotFound", ["its folder has 'b.db'"]),
    "no database": (text, {}, 3, "NotADatabase", ["does not begin like"]),
    "encrypted": (encrypted, {}, 3, "NotADatabase", [PATH]),
    "damaged": (damaged, {}, 5, "DatabaseCorrupt", ["app-data is damaged"]),
    "scratch too small": (nothing, {"scratch_bytes": 100_000}, 2, "ScratchTooSmall", ["(100000 bytes)"]),
}  # fmt: skip


@pytest.mark.matrix
@pytest.mark.parametrize(("prepare", "changes", "code", "reason", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_database_or_does_not_fit_is_told(
    world: World, claim: Claim, prepare: Callable[[Claim], None], changes: dict[str, Any], code: int, reason: str,
    says: list[str],
) -> None:  # fmt: skip
    claim.make("delete", 1000)
    prepare(claim)
    there = claim.beside()
    task = claim.backup(**changes)
    assert_failed(claim.pod(task).run(), code, reason, *says)
    world.assert_nothing_left(task)
    assert claim.beside() == there


@pytest.mark.matrix
@pytest.mark.parametrize("there", [PATH, f"{PATH}-wal", f"{PATH}-journal"])
def test_a_restore_never_replaces_what_is_there(world: World, claim: Claim, there: str) -> None:
    claim.make("delete")
    task = claim.backup()
    world.assert_backed_up(task, claim.pod(task).run())
    claim.file.unlink()
    (claim.folder / there).write_bytes(b"somebody's")
    assert_failed(claim.restored(task, ""), 1, "TargetNotEmpty", Path(there).name)
    assert [(name, (claim.folder / name).read_bytes()) for name in claim.beside()] == [(there, b"somebody's")]


@pytest.mark.matrix
def test_a_restore_into_a_folder_that_is_closed_says_whose_it_is(world: World, claim: Claim) -> None:
    claim.make("delete")
    task = claim.backup()
    world.assert_backed_up(task, claim.pod(task).run())
    os.chown(claim.folder, 0, 4712)
    result = claim.restored(task, "new/app.db")
    assert_failed(result, 3, "FileAccessDenied", "user 4711", "belongs to user 0")
    assert claim.beside() == [PATH]


@pytest.mark.matrix
def test_a_changed_artifact_is_not_restored_and_leaves_nothing(world: World, claim: Claim) -> None:
    claim.make("delete")
    task = claim.backup()
    world.assert_backed_up(task, claim.pod(task).run())
    artifact = world.manifest(task).artifact
    world.alter(task)
    assert_failed(claim.restored(task, "new.db"), 5, "ChecksumMismatch", artifact.sha256)
    assert claim.beside() == [PATH]


@pytest.mark.matrix
@pytest.mark.parametrize("name", ['it\'s "quoted" $HOME $$.db', "a?mode=ro#x%20y.db", "größe 桜.db", "-dash.db"])
def test_a_file_is_backed_up_by_its_very_name(world: World, claim: Claim, name: str) -> None:
    claim.make("wal")
    claim.file.rename(claim.folder / name)
    task = claim.backup(database=claim.database(name))
    result = claim.pod(task).run()
    world.assert_backed_up(task, result)
    assert (
        json.loads(world.store.read(f"{task.key_prefix}manifest.json"))["database"]["host"] == f"claim app-data, {name}"
    )
    assert claim.beside() == [name]
