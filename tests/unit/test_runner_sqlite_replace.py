"""Replacing an SQLite file: all or nothing for whoever has it, the old one kept whole, whenever the Pod is killed."""

import hashlib
import io
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.builders import NOW

from holdfast.api.database import Database
from holdfast.api.restoring import Content, RestoreMode
from holdfast.contract.manifest import Manifest, ManifestArtifact, ManifestTable
from holdfast.contract.task import Beside, RestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.protocol import Overrides, Switched
from holdfast.runner.engines.sqlite import exchange, hold, replacing
from holdfast.runner.engines.sqlite.exchange import Exchange
from holdfast.runner.engines.sqlite.source import SQLite
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.stop import Stop

NAMES = Beside(fresh="data/app.db-fresh-1", old="data/app.db-before-1")
TASK = RestoreTask.model_construct(mode=RestoreMode.REPLACE, content=Content.ALL, tables=[], beside=NAMES)
BEFORE, AFTER = (
    "create table t (x); insert into t values ('before')",
    "create table t (x); insert into t values ('after')",
)


class KilledError(BaseException):
    """The Pod is gone: nothing of it runs any more."""


@pytest.fixture
def claim(tmp_path):
    (tmp_path / "claim" / "data").mkdir(parents=True)
    return tmp_path / "claim"


def a_target(claim):
    database = Database.model_validate(
        {"engine": "sqlite", "name": "app", "volume": {"claimName": "app-data", "path": "data/app.db"}}
    )
    context = Context(Places(volume=claim), Stop(), Log(io.StringIO()), "pod-1", NOW)
    return SQLite(database, context, Overrides())


def make(file, script, journal="delete"):
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA journal_mode = {journal}")
        database.executescript(script)
    return file


def said(file):
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        return [row[0] for row in database.execute("select x from t")]


def names(claim):
    return sorted(path.name for path in (claim / "data").iterdir())


@pytest.fixture
def stored(tmp_path):
    return make(tmp_path / "stored.db", AFTER).read_bytes()


def restored(claim, stored):
    """Replace the target, as the task does."""
    target = a_target(claim)
    landing = target.beside(NAMES, a_manifest())
    if there := landing.done():
        return there
    with landing.opened() as fresh, Progress(target._context.log, "restoring") as progress:
        fresh.restore(TASK, ManifestArtifact.model_construct(uncompressed_bytes=len(stored)), iter([stored]), progress)
        return landing.switch()


def a_manifest(**changes):
    tables = [ManifestTable(name="t", rows=1)]
    return Manifest.model_construct(**({"tables": tables, "schema_sha256": None} | changes))


@contextmanager
def another_process(code, file):
    with subprocess.Popen(
        [sys.executable, "-c", f"import sqlite3, sys\n{code}", file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline()
        yield process
        process.communicate()


@pytest.mark.parametrize("journal", ["delete", "wal", "persist"])
def test_the_restored_file_takes_the_name_and_the_old_one_is_kept_whole(claim, stored, journal):
    file = make(claim / "data" / "app.db", BEFORE, journal)
    file.chmod(0o604)
    switched = restored(claim, stored)
    assert switched.replaced == NAMES.old
    assert 0 < switched.seconds < 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o604
    assert names(claim) == ["app.db", "app.db-before-1"]
    assert said(file) == ["after"]
    assert said(claim / NAMES.old) == ["before"]


CRASHED = """
import os
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("insert into t values ('in the log alone')")
print("written", flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_stood_in_a_write_ahead_log_alone_is_in_the_kept_file_and_not_in_the_new_one(claim, stored):
    file = make(claim / "data" / "app.db", BEFORE, "wal")
    with another_process(CRASHED, file):
        pass
    assert (claim / "data" / "app.db-wal").stat().st_size
    restored(claim, stored)
    assert said(file) == ["after"]
    assert said(claim / NAMES.old) == ["before", "in the log alone"]


IN_A_TRANSACTION = """
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("begin immediate")
print("begun", flush=True)
sys.stdin.read()
"""
OPEN = """
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("select * from t").fetchall()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("journal", "code"),
    [
        pytest.param("delete", IN_A_TRANSACTION, id="a writer within a transaction"),
        pytest.param(
            "wal", OPEN, id="a log, and another process that has it open, since it would go on in the old one"
        ),
    ],
)
def test_while_somebody_keeps_the_file_it_stays_as_it_is(claim, stored, monkeypatch, journal, code):
    monkeypatch.setattr(exchange, "LOCK_SECONDS", 0.2)
    file = make(claim / "data" / "app.db", BEFORE, journal)
    before = hashlib.sha256(file.read_bytes()).digest()
    with another_process(code, file):
        with pytest.raises(HoldfastError) as caught:
            restored(claim, stored)
        assert caught.value.reason is Reason.DATABASE_LOCKED
        assert "kubectl scale" in caught.value.remedy
        assert hashlib.sha256(file.read_bytes()).digest() == before
        assert not [name for name in names(claim) if "-1" in name]
    assert restored(claim, stored).replaced == NAMES.old, "and later it goes on"


def test_one_that_came_in_the_midst_is_waited_for_and_told_and_nothing_of_the_restored_one_stays(
    claim, stored, monkeypatch
):
    file = make(claim / "data" / "app.db", BEFORE)
    target = a_target(claim)
    landing = target.beside(NAMES, a_manifest())
    with pytest.raises(HoldfastError, match="DatabaseLocked"), landing.opened():  # noqa: PT012 - the block's own end
        make(claim / NAMES.fresh, AFTER)
        monkeypatch.setattr(exchange, "LOCK_SECONDS", 0.2)
        with another_process(IN_A_TRANSACTION, file):
            landing.switch()
    assert names(claim) == ["app.db"]
    assert said(file) == ["before"]


WRITES_LATER = """
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("select * from t").fetchall()
print("open", flush=True)
sys.stdin.readline()
try:
    database.execute("insert into t values ('late')")
except sqlite3.Error as error:
    print(error.sqlite_errorname, flush=True)
"""


def test_a_process_that_has_the_old_file_open_is_told_when_it_writes(claim, stored):
    file = make(claim / "data" / "app.db", BEFORE)
    with another_process(WRITES_LATER, file) as process:
        restored(claim, stored)
        answer, _ = process.communicate(b"\n")
    assert answer.strip() == b"SQLITE_READONLY_DBMOVED"
    assert said(file) == ["after"]


STEPS = ("rename", "unlink", "touch", "chmod")


@pytest.fixture
def nobody_else(monkeypatch):
    """Hold files without a process for each, where nobody else has them open."""

    @contextmanager
    def holding(_place, file, _stop):
        holder, answer = hold.held(str(file), 0)
        try:
            yield exchange.Held(**answer)
        finally:
            holder.close()

    for module in (exchange, replacing):
        monkeypatch.setattr(module, "holding", holding)


def killed_at(monkeypatch, number):
    """Have the Pod killed instead of its n-th step on the disk."""
    left = [number]

    def counted(real):
        def step(*arguments, **named):
            left[0] -= 1
            if left[0] < 0:
                raise KilledError
            return real(*arguments, **named)

        return step

    for name in STEPS:
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))
    monkeypatch.setattr(os, "link", counted(os.link))
    monkeypatch.setattr(exchange, "sync", counted(exchange.sync))


WHAT_IS_THERE = {
    "a database": lambda file: make(file, BEFORE),
    "a log": lambda file: make(file, BEFORE, "wal"),
    "a journal that stays": lambda file: make(file, BEFORE, "persist"),
    "a damaged one": lambda file: (file.write_bytes(b"x" * 5000), Path(f"{file}-wal").write_bytes(b"its log")),
    "an empty file": lambda file: file.touch(),
    "nothing": lambda _file: None,
}


def kept(claim):
    """Return the bytes of what was there before, wherever it is now; its log, too."""
    at = claim / NAMES.old if (claim / NAMES.old).exists() else claim / "data" / "app.db"
    log = Path(f"{at}-wal")
    return at.read_bytes() if at.exists() else b"", log.read_bytes() if log.exists() else b""


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
@pytest.mark.parametrize("number", range(11))
@pytest.mark.parametrize("there", WHAT_IS_THERE)
def test_killed_between_any_two_steps_the_next_pod_brings_it_to_the_end(
    nobody_else, claim, stored, monkeypatch, there, number, links
):
    WHAT_IS_THERE[there](claim / "data" / "app.db")
    before = kept(claim)
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no hard links")))
    (claim / NAMES.fresh).write_bytes(stored)
    place = a_target(claim).place
    with monkeypatch.context() as patch:
        killed_at(patch, number)
        try:
            Exchange(place, claim / NAMES.fresh, claim / NAMES.old).make(Stop())
        except KilledError:
            assert (claim / "data" / "app.db").exists() or not links or there == "nothing", "an application finds one"
    assert restored(claim, stored).replaced == NAMES.old
    assert restored(claim, stored) == Switched(NAMES.old, None), "and once more, it is found"
    assert (claim / "data" / "app.db").read_bytes() == stored
    assert kept(claim) == before
    assert not [name for name in names(claim) if "fresh" in name or name.startswith("app.db-w")]


@pytest.mark.parametrize("there", WHAT_IS_THERE)
def test_it_is_put_back_and_removed(nobody_else, claim, stored, there):
    WHAT_IS_THERE[there](claim / "data" / "app.db")
    before = kept(claim)
    restored(claim, stored)
    target = a_target(claim)
    assert target.swap_back(NAMES.old, "data/app.db-undone-1").replaced == "data/app.db-undone-1"
    assert target.swap_back(NAMES.old, "data/app.db-undone-1").seconds is None, "an earlier Pod had done it"
    assert kept(claim) == before
    assert (claim / "data" / "app.db-undone-1").read_bytes() == stored
    assert target.drop(["data/app.db-undone-1", NAMES.old]) == ["data/app.db-undone-1"]
    assert target.drop(["data/app.db-undone-1", NAMES.old]) == []
    assert not [name for name in names(claim) if "-1" in name]


def test_what_is_gone_cannot_be_put_back(claim):
    file = make(claim / "data" / "app.db", BEFORE)
    with pytest.raises(HoldfastError, match="DatabaseNotFound"):
        a_target(claim).swap_back(NAMES.old, "data/app.db-undone-1")
    assert said(file) == ["before"]


@pytest.mark.parametrize("name", ["../app.db-x", "app.db-x", "data/../x", "data/app.db", "data/app.db-wal", "/etc/x"])
def test_nothing_but_what_lies_beside_the_target_is_touched(claim, name):
    make(claim / "data" / "app.db", BEFORE)
    for act in (lambda: a_target(claim).drop([name]), lambda: a_target(claim).swap_back(name, NAMES.old)):
        with pytest.raises(HoldfastError, match="InvalidTask"):
            act()
    assert names(claim) == ["app.db"]


def test_a_database_that_is_a_link_within_the_claim_is_replaced_where_it_is(claim, stored):
    (claim / "real").mkdir()
    make(claim / "real" / "live.db", BEFORE)
    (claim / "data" / "app.db").symlink_to("../real/live.db")
    restored(claim, stored)
    assert (claim / "data" / "app.db").is_symlink()
    assert said(claim / "data" / "app.db") == ["after"]
    assert sorted(path.name for path in (claim / "real").iterdir()) == ["app.db-before-1", "live.db"]


def test_a_database_made_anew_in_the_midst_is_not_overwritten(claim, stored):
    """Two names are taken, and a third by somebody else: a person has to look."""
    for name, script in (("data/app.db", "create table t (x)"), (NAMES.old, BEFORE), (NAMES.fresh, AFTER)):
        make(claim / name, script)
    with pytest.raises(HoldfastError, match="TargetNotReady"):
        restored(claim, stored)
    assert said(claim / NAMES.old) == ["before"]
    assert said(claim / "data" / "app.db") == []


def test_one_whose_owner_the_restored_file_cannot_have_is_not_replaced(claim, stored, monkeypatch):
    file = make(claim / "data" / "app.db", BEFORE)
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    with pytest.raises(HoldfastError, match="FileAccessDenied"):
        restored(claim, stored)
    assert names(claim) == ["app.db"]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param(lambda data: data[:4096] + b"\xff" * (len(data) - 4096), "damaged", id="pages"),
        pytest.param(lambda data: data[:4096], "damaged", id="cut off"),
    ],
)
def test_a_file_that_is_damaged_has_not_come_back(claim, stored, damage, says):
    (claim / "data" / "app.db").write_bytes(damage(stored))
    came = a_target(claim).came(a_manifest(), TASK)
    assert [fault for fault in came.faults if says in fault]


def test_what_has_come_is_counted_and_its_schema_compared(claim, stored):
    (claim / "data" / "app.db").write_bytes(stored)
    came = a_target(claim).came(a_manifest(schema_sha256="0" * 64), TASK)
    assert came.tables == [ManifestTable(name="t", rows=1)]
    assert came.looked_at == ["integrity", "schema"]
    assert len(came.faults) == 1
    assert "the hash of its schema" in came.faults[0]


def test_nothing_is_added_to_a_file(claim):
    with pytest.raises(HoldfastError, match="does not support mode Into"):
        a_target(claim).require_served(
            RestoreTask.model_construct(mode=RestoreMode.INTO, content=Content.ALL, tables=[]), a_manifest()
        )


def test_the_names_are_those_of_the_task():
    assert replacing.sibling(a_target(Path("/claim")).place, NAMES.old).name == "app.db-before-1"
