"""Data of a higher environment come into a lower one masked, or with a reason why not; what masks them fails closed."""

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.builders import a_policy, settings
from tests.restoring import World
from tests.unit.test_reconcile_restore import REPLACE, a_world

from holdfast.api.masking import AfterRestore, above
from holdfast.api.policy import Environment
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import ResolvedRestore
from holdfast.api.restoring import Content, RestoreMode
from holdfast.contract.paths import AFTER_RESTORE
from holdfast.contract.report import ScriptReport
from holdfast.contract.task import RestoreTask, Script, SwapBackTask
from holdfast.decide.resolve import resolve
from holdfast.decide.restore import masking
from holdfast.errors import HoldfastError, Reason
from holdfast.kube.kinds import EVENTS, JOBS, POLICIES
from holdfast.runner.bucket import environments
from holdfast.runner.engines import scripts
from holdfast.runner.engines.mysql import scripts as mysql_scripts
from holdfast.runner.engines.sqlite import scripts as sqlite_scripts
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.stop import Stop
from holdfast.runner.tasks import after_restore

DEV, STAGING, PRODUCTION = Environment
DOWN = {"source": {"backupRef": {"name": "first"}}, "target": {"policyRef": {"name": "other"}}}
MASK = {"afterRestore": {"sqlConfigMapName": "mask"}}
WAIVED = {"maskingWaived": "the data are made up"}


@pytest.mark.parametrize(
    ("environment", "higher"),
    [(DEV, [STAGING, PRODUCTION]), (STAGING, [PRODUCTION]), (PRODUCTION, []), (None, [PRODUCTION])],
    ids=["dev", "staging", "production", "nobody says, so it is not production"],
)
def test_which_data_a_target_never_gets_as_they_are(environment: Any, higher: list[Environment]):
    assert above(environment) == higher


@pytest.mark.parametrize(
    ("changes", "content", "asked"),
    [
        pytest.param({}, Content.ALL, [PRODUCTION], id="all of it"),
        pytest.param({}, Content.DATA, [PRODUCTION], id="rows alone"),
        pytest.param({}, Content.SCHEMA, [], id="no rows"),
        pytest.param(MASK, Content.ALL, [], id="masked"),
        pytest.param(WAIVED, Content.ALL, [], id="waived"),
    ],
)
def test_what_may_come_unmasked(changes: Any, content: Content, asked: list[Environment]):
    spec = DatabaseRestoreSpec.model_validate({"source": {"backupRef": {"name": "first"}}} | changes)
    assert masking.never_unmasked(spec, STAGING, content) == asked


def from_into(source: Any, target: Any, never: list[Environment]) -> ResolvedRestore:
    """A restore of data of one environment into another, as it is fixed."""
    of = resolve(a_policy(), settings())
    return ResolvedRestore(
        database=of.database, mode=RestoreMode.REFUSE, job=of.job, source_environment=source, environment=target,
        never_unmasked_of=never,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("source", "target", "never"),
    [
        pytest.param(STAGING, DEV, [], id="masked, or waived"),
        pytest.param(DEV, STAGING, [PRODUCTION], id="from below"),
        pytest.param(None, STAGING, [PRODUCTION], id="of a backup that only its manifest knows: the runner asks"),
    ],
)
def test_data_come_as_they_are(source: Any, target: Any, never: list[Environment]):
    masking.require(from_into(source, target, never))


@pytest.mark.parametrize(
    ("target", "says", "first"),
    [
        pytest.param(STAGING, "a target of staging", "name a ConfigMap with SQL that masks them,", id="of staging"),
        pytest.param(
            None, "a target whose environment is not known",
            "if the target is of production, set target.environment; if not, name a ConfigMap with SQL that masks",
            id="whose environment nobody says",
        ),
    ],
)  # fmt: skip
def test_data_of_production_do_not_come_as_they_are_into_a_target(target: Any, says: str, first: str):
    with pytest.raises(HoldfastError) as refused:
        masking.require(from_into(PRODUCTION, target, [PRODUCTION]))
    assert refused.value.reason is Reason.MASKING_MISSING
    assert refused.value.message == (
        f"the backup has data of production, which would come unmasked into {says}; nothing was restored"
    )
    assert refused.value.remedy.startswith(first)


async def into_another(source: str, target: str, **spec: Any) -> World:
    world = World(environment=source)
    await world.backed_up()
    policy = next(each for each in world.cluster.all(POLICIES))["spec"]
    other = policy | {"environment": target, "database": policy["database"] | {"name": "copy"}}
    world.cluster.put(POLICIES, {"metadata": {"namespace": "shop", "name": "other"}, "spec": other})
    world.put("again", **DOWN, **spec)
    return world


@pytest.mark.parametrize(("source", "target"), [("production", "staging"), ("production", "dev"), ("staging", "dev")])
async def test_a_restore_downwards_without_masking_is_refused_before_a_job_is_made(source: str, target: str):
    world = await into_another(source, target)
    before = len(world.cluster.all(JOBS))

    status = await world.until_the_end()

    assert (status["phase"], status["failure"]["reason"]) == ("Failed", Reason.MASKING_MISSING)
    assert f"data of {source}, which would come unmasked into a target of {target}" in status["failure"]["message"]
    assert "spec.maskingWaived" in status["failure"]["remedy"]
    assert status["source"]["backup"] == "first"  # what would have been restored can be read
    assert {each["type"]: each["status"] for each in status["conditions"]}["Stalled"] == "True"
    assert len(world.cluster.all(JOBS)) == before


@pytest.mark.parametrize(("source", "target"), [("staging", "staging"), ("dev", "staging"), ("dev", "dev")])
async def test_a_restore_upwards_or_on_one_level_is_not_asked(source: str, target: str):
    world = await into_another(source, target)
    assert (await world.until_the_end())["phase"] == "Succeeded"
    (task,) = world.tasks(RestoreTask)
    assert task.after_restore is None


async def test_a_reason_why_nothing_is_masked_stands_in_the_status_and_an_event():
    world = await into_another("production", "staging", **WAIVED)

    status = await world.until_the_end()

    assert (status["phase"], status["maskingWaived"]) == ("Succeeded", "the data are made up")
    told = [event for event in world.cluster.all(EVENTS) if event["reason"] == "MaskingWaived"]
    assert [(event["type"], event["message"] if "message" in event else event["note"]) for event in told] == [
        ("Warning", "the restored data are not masked: the data are made up")
    ]
    (task,) = world.tasks(RestoreTask)
    assert task.never_unmasked_of == []


async def test_the_sql_is_mounted_read_only_and_the_status_says_what_has_run():
    world = await into_another("production", "staging", mode="Replace", **MASK)
    world.runner.says = {"script": ScriptReport(statements=4, sha256="b" * 64)}

    status = await world.until_the_end()

    assert status["afterRestore"] == {
        "sqlConfigMapName": "mask", "key": "after-restore.sql", "statements": 4, "sha256": "b" * 64,
    }  # fmt: skip
    (task,) = world.tasks(RestoreTask)
    assert task.after_restore == Script(config_map="mask", key="after-restore.sql")
    pod = next(job for job in world.cluster.all(JOBS) if job["metadata"]["name"].startswith("again"))["spec"]
    spec = pod["template"]["spec"]
    assert {"name": "after-restore", "configMap": {"name": "mask", "optional": True}} in spec["volumes"]
    mount = {"name": "after-restore", "mountPath": AFTER_RESTORE, "readOnly": True}
    assert mount in spec["containers"][0]["volumeMounts"]


async def test_a_report_that_does_not_say_that_the_sql_has_run_is_no_success():
    world = await into_another("production", "staging", **MASK)
    status = await world.until_the_end()
    assert status["failure"]["reason"] == Reason.REPORT_IMPLAUSIBLE


async def test_an_undo_of_a_masked_restore_runs_no_sql():
    world = await a_world(**REPLACE, **MASK)
    world.runner.says = {"script": ScriptReport(statements=1, sha256="b" * 64)}
    await world.until_the_end()
    world.put("undo", source={"replacedBy": {"name": "again"}})

    assert (await world.until_the_end("undo"))["phase"] == "Succeeded"
    assert len(world.tasks(SwapBackTask)) == 1


# What the Job does


@dataclass
class Target:
    """A database that runs SQL, or says why not."""

    error: HoldfastError | None = None
    ran: list[str] = field(default_factory=list)

    def run_script(self, script: scripts.Script) -> int:
        self.ran.append(script.text)
        if self.error:
            raise self.error
        return 3


@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / "sql").mkdir()
    places = replace(Places(), after_restore=tmp_path / "sql", run=tmp_path)
    return Context(places, Stop(), Log(), "pod", None)  # type: ignore[arg-type]


def a_task(**changes: Any) -> RestoreTask:
    given = {"after_restore": Script(config_map="mask", key="after-restore.sql"), "never_unmasked_of": []}
    return RestoreTask.model_construct(**({"mode": RestoreMode.REFUSE, **given} | changes))


def test_the_sql_is_read_with_its_hash(context: Context):
    text = "update t set e = 'ü';\n"
    (context.places.after_restore / "after-restore.sql").write_bytes(text.encode())
    script = after_restore.read(a_task(), context)
    assert script == scripts.Script(
        "key after-restore.sql of ConfigMap mask", text, hashlib.sha256(text.encode()).hexdigest()
    )
    assert after_restore.read(a_task(after_restore=None), context) is None


@pytest.mark.parametrize(
    ("files", "says"),
    [
        pytest.param({}, "ConfigMap mask does not exist in this namespace, or is empty", id="no ConfigMap"),
        pytest.param({"mask.sql": b"select 1"}, "it has mask.sql", id="another key"),
        pytest.param({"after-restore.sql": b" \n"}, "is empty", id="nothing in it"),
        pytest.param({"after-restore.sql": b"select '\xff'"}, "is not UTF-8 text", id="no text"),
        pytest.param({"after-restore.sql": b"select 1;\0"}, "has a NUL", id="a NUL"),
        pytest.param({"after-restore.sql": b"-" * (after_restore.MOST + 1)}, "more than 1 MiB", id="too much"),
    ],
)
def test_sql_that_cannot_be_run_is_told_before_anything_happens(context: Context, files: Any, says: str):
    for name, data in files.items():
        (context.places.after_restore / name).write_bytes(data)
    with pytest.raises(HoldfastError, match="nothing was restored") as caught:
        after_restore.read(a_task(), context)
    assert caught.value.reason is Reason.AFTER_RESTORE_INVALID
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("mode", "left"),
    [
        (RestoreMode.REPLACE, "nothing was switched, and the target is as it was"),
        (RestoreMode.REFUSE, "is in the target as it came from the backup: drop it"),
        (RestoreMode.INTO, "is in the target as it came from the backup: drop it"),
    ],
)
def test_sql_that_fails_ends_the_restore_and_says_what_the_target_holds(context: Context, mode: RestoreMode, left: str):
    target = Target(scripts.failed("statement 2", "no such\ncolumn"))
    script = scripts.Script("key a of ConfigMap b", "x", "c" * 64)
    with pytest.raises(HoldfastError) as caught:
        after_restore.run(script, target, a_task(mode=mode), context)  # type: ignore[arg-type]
    assert caught.value.reason is Reason.AFTER_RESTORE_FAILED
    assert "key a of ConfigMap b, statement 2: no such column; " in caught.value.message
    assert left in caught.value.message


@pytest.mark.parametrize(("never", "refused"), [(["production"], True), ([], False), (["staging"], False)])
def test_a_backup_that_only_the_bucket_knows_is_asked_by_its_manifest(never: list[str], refused: bool):
    if not refused:
        environments.require_masked(never, "production")
        return
    with pytest.raises(HoldfastError, match="data of production, as its manifest says") as caught:
        environments.require_masked(never, "production")
    assert caught.value.reason is Reason.MASKING_MISSING


def test_long_words_of_a_server_are_cut():
    assert len(scripts.failed("statement 1", "x" * 10_000).message) < 600


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("update shop.users set email = ''", id="plain"),
        pytest.param("update `shop`.users set email = ''", id="quoted"),
        pytest.param("select 1;\nupdate SHOP.`users` set email = ''", id="on another line, in capitals"),
    ],
)
def test_sql_that_names_the_live_database_of_mysql_is_refused(text: str):
    with pytest.raises(HoldfastError, match="no statement was run, line"):
        mysql_scripts.require_nameless(scripts.Script("s", text, ""), "shop")


@pytest.mark.parametrize(
    "text",
    ["update users set a = 'my shop. Yes'", "update shops.x set a = 1", "-- the shop.", "set e = 'a@shop.invalid'"],
)
def test_sql_that_has_the_name_in_another_sense_is_not(text: str):
    mysql_scripts.require_nameless(scripts.Script("s", text, ""), "shop")


@pytest.mark.parametrize(
    ("text", "others"),
    [
        pytest.param("update crm.people set a = 1", ["CRM"], id="a table of it"),
        pytest.param("delete from `crm` . `people`", ["CRM"], id="between backquotes"),
        pytest.param('set sql_mode = ansi_quotes; delete from "crm"."people"', ["CRM"], id="between double quotes"),
        pytest.param("use crm; delete from people", ["CRM"], id="chosen"),
        pytest.param("insert into `a``b`.t select a from /* any */ mysql.user", ["a`b", "mysql"], id="several"),
        pytest.param("update users set a = 'crm.people', b = 1.5 -- of crm.people\n", [], id="in a text, in a comment"),
        pytest.param("update crm set crm_x = 1; select users.crm from users", [], id="a table or column called so"),
    ],
)
def test_other_databases_of_mysql_that_sql_names_are_found(text: str, others: list[str]):
    assert mysql_scripts.named(scripts.Script("s", text, ""), ["CRM", "a`b", "mysql", "users2"]) == others


# SQLite's, which need no server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "orders.db"
    with closing(sqlite3.connect(made)) as database:
        database.executescript(
            "create table users (id integer primary key, email text);"
            "insert into users (email) values ('a@shop'), ('b@shop');"
        )
    return made


def emails(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as database:
        return [row[0] for row in database.execute("select email from users order by id")]


def test_sqlite_runs_each_statement_and_commits_once(file: Path):
    text = (
        "-- masked; all of them\nupdate users set email = 'user;' || id || '@invalid';\n"
        "create trigger t after insert on users begin update users set email = 'x'; select 1; end;\n"
        "select * from users; /* ; */ drop trigger t"
    )
    assert sqlite_scripts.run(str(file), text) == {"statements": 4}
    assert emails(file) == ["user;1@invalid", "user;2@invalid"]


@pytest.mark.parametrize(
    ("then", "says"),
    [
        pytest.param("update nowhere set a = 1;", "no such table: nowhere", id="a table that is not there"),
        pytest.param("\\! touch /tmp/x", 'unrecognized token: "\\"', id="a command of a shell"),
        pytest.param(".shell touch /tmp/x", 'near "."', id="a command of sqlite3's shell"),
        pytest.param("COMMIT;", "leave out BEGIN, COMMIT and ROLLBACK", id="a commit"),
        pytest.param("SAVEPOINT a;", "leave out SAVEPOINT", id="a savepoint"),
        pytest.param("ATTACH '/etc/passwd' AS p;", "leave out ATTACH", id="another file"),
        pytest.param("select load_extension('x');", "not authorized", id="a library"),
        pytest.param("update users set email =", "incomplete input", id="half a statement"),
    ],
)
def test_sqlite_refuses_what_is_no_sql_or_leads_out_and_changes_nothing(file: Path, then: str, says: str):
    answer = sqlite_scripts.run(str(file), f"update users set email = 'x'; {then}")
    assert answer["statements"] == 1
    assert says in answer["refused"]
    assert emails(file) == ["a@shop", "b@shop"]


def test_the_default_key_is_the_one_that_docs_use():
    assert AfterRestore(sql_config_map_name="mask").key == "after-restore.sql"
