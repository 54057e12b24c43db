"""A restore that differs from its manifest has failed, and names in what."""

import io
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from tests.builders import NOW

from holdfast.api.restoring import Content, RestoreMode
from holdfast.contract.manifest import Manifest, ManifestArtifact, ManifestTable
from holdfast.contract.task import Beside, RestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines import landing
from holdfast.runner.engines.postgres import restore as feeding
from holdfast.runner.engines.protocol import Came
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.stop import Stop
from holdfast.runner.tasks import restore, restored

TABLES = [ManifestTable(name="public.orders", rows=3), ManifestTable(name="public.items", rows=0)]


@dataclass
class Target:
    """A database that says what it has."""

    has: Came | None
    calls: list[str] = field(default_factory=list)
    breaks: HoldfastError | None = None

    def came(self, _manifest, _task):
        if self.breaks is not None:
            raise self.breaks
        return self.has

    def make(self, _manifest):
        self.calls.append("make")

    def require_empty(self):
        self.calls.append("require_empty")

    def beside(self, names, _manifest):
        return names

    def __str__(self) -> str:
        return "database orders"


def a_task(**changes) -> RestoreTask:
    return RestoreTask.model_construct(
        **(
            {"mode": RestoreMode.REFUSE, "content": Content.ALL, "tables": [], "create": False, "beside": None}
            | changes
        )
    )


def a_manifest(tables=TABLES) -> Manifest:
    backup = type("Backup", (), {"backup_id": "backup-1"})
    return Manifest.model_construct(backup=backup, tables=tables)


def differences(has: Came, task: RestoreTask) -> list[str]:
    with pytest.raises(HoldfastError) as caught:
        restored.compared(Target(has), a_manifest(), task)
    assert caught.value.reason is Reason.RESTORE_DIFFERS
    assert all(each in caught.value.message for each in caught.value.differences[: restored.NAMED])
    return list(caught.value.differences)


@pytest.mark.parametrize(
    ("has", "said"),
    [
        pytest.param(Came(TABLES[:1]), "table public.items does not exist", id="a table is missing"),
        pytest.param(
            Came([ManifestTable(name="public.orders", rows=2), TABLES[1]]),
            "table public.orders has 2 rows instead of 3",
            id="a row is missing",
        ),
        pytest.param(
            Came([TABLES[0], ManifestTable(name="public.items", rows=1)]),
            "table public.items has 1 rows instead of 0",
            id="a row too many",
        ),
        pytest.param(Came(TABLES, faults=["index i is not valid"]), "index i is not valid", id="what the engine finds"),
    ],
)
def test_a_restore_that_differs_has_failed(has, said):
    assert differences(has, a_task()) == [said]


IN_IT = "all of the dump is in database orders, and was not compared"


@pytest.mark.parametrize(
    ("mode", "is_in_it", "anew"),
    [
        pytest.param(RestoreMode.REFUSE, True, True, id="Refuse"),
        pytest.param(RestoreMode.INTO, True, False, id="Into"),
        pytest.param(RestoreMode.REPLACE, False, False, id="Replace"),
    ],
)
def test_who_cannot_look_says_where_the_dump_is_by_then(mode, is_in_it, anew):
    broken = Target(None, breaks=HoldfastError(Reason.RESTORE_FAILED, "the server is gone", "read its log"))
    with pytest.raises(HoldfastError, match="the server is gone") as caught:
        restored.compared(broken, a_manifest(), a_task(mode=mode))
    assert caught.value.reason is Reason.RESTORE_FAILED
    assert (IN_IT in caught.value.message) == is_in_it
    assert ("empty database" in caught.value.remedy) == anew


@pytest.mark.parametrize("mode", RestoreMode)
def test_an_error_after_the_dump_is_in_keeps_its_differences_and_says_where_the_dump_is(mode):
    with pytest.raises(HoldfastError) as caught, landing.told_of_all(a_task(mode=mode), "database orders"):
        raise HoldfastError(Reason.RESTORE_DIFFERS, "owners differ", "find out", differences=["owner of t"])
    assert caught.value.differences == ("owner of t",)
    assert caught.value.message.endswith("all of the dump is in database orders") == (mode is not RestoreMode.REPLACE)


@dataclass
class Exits:
    """pg_restore, which does not get far."""

    name: str = "pg_restore"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def kill(self):
        raise AssertionError("nobody asks for it")

    def wait(self):
        return 1

    def said(self):
        return "the server is gone"


@pytest.mark.parametrize(
    ("form", "changes", "says"),
    [
        pytest.param("directory", {}, True, id="several sessions"),
        pytest.param("custom", {"jobs": 2}, True, id="several sessions, of a custom archive"),
        pytest.param("directory", {"mode": RestoreMode.INTO}, False, id="one transaction"),
        pytest.param("directory", {"mode": RestoreMode.REPLACE}, False, id="beside the target"),
    ],
)
def test_what_is_restored_by_several_sessions_may_leave_a_part(tmp_path, monkeypatch, form, changes, says):
    monkeypatch.setattr(feeding, "Tool", lambda *_, **__: Exits())
    monkeypatch.setattr(feeding.staging, "stage", lambda *_: tmp_path / "dump")
    monkeypatch.setattr(feeding.entries, "of_archive", lambda *_: [])
    monkeypatch.setattr(feeding.entries, "chosen", lambda *_: [])
    context = Context(Places(run=tmp_path, scratch=tmp_path), Stop(), Log(io.StringIO()), "pod", NOW)
    task = a_task(**({"jobs": 1, "scratch_bytes": None} | changes))
    artifact = ManifestArtifact.model_construct(format=form, uncompressed_bytes=1)
    target = feeding.Target("db", "5432", "u", "orders", "prefer", tmp_path / "pgpass")
    with pytest.raises(HoldfastError, match="the server is gone") as caught:
        feeding.feed(task, artifact, iter([]), target, feeding.Given(), context, SimpleNamespace())
    assert ("a part of the dump may be in database 'orders'" in caught.value.message) == says
    assert ("drop the target database and create it again" in caught.value.remedy) == says


def test_what_agrees_is_counted_and_named():
    has = Came(TABLES, looked_at=["sequences"], server_version="PostgreSQL 17")
    found = restored.compared(Target(has), a_manifest(), a_task())
    assert (found.tables, found.rows, found.facts) == (2, 3, ["rows", "sequences"])
    assert found.server_version == "PostgreSQL 17"


@pytest.mark.parametrize(
    "task", [a_task(mode=RestoreMode.INTO), a_task(content=Content.SCHEMA)], ids=["Into", "Schema"]
)
def test_rows_are_not_compared_where_the_target_has_others(task):
    has = Came([ManifestTable(name="public.orders", rows=7), TABLES[1]])
    assert restored.compared(Target(has), a_manifest(), task).facts == []


def test_of_chosen_tables_the_others_need_not_be_there():
    has = Came(TABLES[:1])
    assert restored.compared(Target(has), a_manifest(), a_task(tables=["public.orders"])).tables == 1


def test_without_counted_rows_nothing_is_said_of_them():
    found = restored.compared(Target(Came([])), a_manifest(None), a_task())
    assert (found.tables, found.rows, found.facts) == (None, None, [])


def test_more_differences_than_a_report_holds_are_cut():
    has = Came(TABLES, faults=[f"constraint c{number} is not valid" for number in range(40)])
    assert len(differences(has, a_task())) == restored.MOST


@pytest.mark.parametrize(
    ("mode", "says"),
    [(RestoreMode.REPLACE, "nothing was switched"), (RestoreMode.REFUSE, "do not use the target as it is")],
)
def test_the_remedy_says_what_became_of_the_target(mode, says):
    with pytest.raises(HoldfastError) as caught:
        restored.compared(Target(Came([])), a_manifest(), a_task(mode=mode))
    assert says in caught.value.remedy


@pytest.mark.parametrize(
    ("task", "calls"),
    [
        pytest.param(a_task(), ["require_empty"], id="Refuse: it must be empty"),
        pytest.param(a_task(mode=RestoreMode.INTO), [], id="Into: what is there stays"),
        pytest.param(a_task(create=True), ["make", "require_empty"], id="made first, where it is asked for"),
    ],
)
def test_what_a_mode_asks_of_the_target(task, calls):
    target = Target(None)
    with landing.landing(target, task, a_manifest()).opened() as opened:
        assert opened is target
    assert target.calls == calls


def test_a_replacing_task_has_to_name_the_databases_beside():
    with pytest.raises(HoldfastError, match="InvalidTask"):
        landing.landing(Target(None), a_task(mode=RestoreMode.REPLACE), a_manifest())
    names = Beside(fresh="f", old="o")
    assert landing.landing(Target(None), a_task(mode=RestoreMode.REPLACE, beside=names), a_manifest()) is names


def test_an_identity_that_does_not_fit_is_told_before_a_database_is_made(monkeypatch):
    target, told = Target(None), HoldfastError(Reason.IDENTITY_MISMATCH, "it is of nobody", "mount another")
    target.require_served = lambda _task, _manifest: target.calls.append("require_served")

    def refused(*_):
        raise told

    monkeypatch.setattr(restore.store, "connect", lambda *_: None)
    manifest = Manifest.model_construct(artifact=None, backup=SimpleNamespace(environment="dev"))
    monkeypatch.setattr(restore.manifests, "find", lambda *_: manifest)
    monkeypatch.setattr(restore, "_require_expected", lambda *_: None)
    monkeypatch.setattr(restore.choose, "source", lambda *_: target)
    monkeypatch.setattr(restore.encryption, "decryption", refused)
    task = a_task(create=True, s3=None, key_prefix="", backup_uid=None, database=None)
    with pytest.raises(HoldfastError) as caught:
        restore.run(task, SimpleNamespace(log=Log(io.StringIO()), places=Places()))
    assert caught.value is told
    assert target.calls == ["require_served"]
