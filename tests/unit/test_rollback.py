"""What becomes of a migration Job that has failed and asks for a rollback: decided, without any cluster."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, ago
from tests.unit.test_gate import GOOD, a_body, a_migration, another, seen, told

from holdfast.api.restore_status import Phase
from holdfast.decide.decision import Do, MakeBackup, MakeRestore, Rest
from holdfast.decide.gate import decide, standing
from holdfast.decide.migrations import MigrationJob, migration_job
from holdfast.decide.rollback import Rollback, WayBack
from holdfast.manifests import rollback as manifest
from holdfast.manifests.rollback import Failed

FAILED = a_migration(created=ago(60), suspended=False, failed=True, on_failure="rollback")
BACK = WayBack(FAILED.backup_name, released=True, made=False)
MINE, AWAITS = Rollback(ours=True), Phase.AWAITING_CONFIRMATION


def failed(job: MigrationJob = FAILED, back: WayBack | None = BACK, there: Rollback | None = None, **more: Any) -> Any:
    return seen(job, back=back, rollback=there, backup=GOOD, **more)


def annotated(**values: str) -> MigrationJob:
    body = a_body()
    body["metadata"]["annotations"] = {f"holdfast.dev/{key}": value for key, value in values.items()}
    return migration_job(body)


def test_a_job_that_failed_and_asks_for_it_has_its_own_backup_restored():
    assert decide(failed(), NOW) == Do(MakeRestore(FAILED.rollback_name, FAILED.backup_name))


@pytest.mark.parametrize(
    "job",
    [replace(FAILED, on_failure=""), replace(FAILED, failed=False), replace(FAILED, failed=False, complete=True),
     replace(FAILED, deleting=True)],
    ids=["it does not ask", "it runs", "it succeeded", "somebody deletes it"],
)  # fmt: skip
def test_no_other_job_is_rolled_back(job: MigrationJob):
    assert decide(failed(job), NOW) == Rest()


def test_a_job_that_never_ran_changed_nothing_and_is_not_rolled_back():
    held = replace(FAILED, suspended=True)
    assert decide(failed(held, replace(BACK, released=False)), NOW) == Rest()
    assert decide(failed(held), NOW) == Do(MakeRestore(FAILED.rollback_name, FAILED.backup_name))


def test_a_rollback_that_somebody_has_deleted_is_not_made_again():
    assert decide(failed(back=replace(BACK, made=True)), NOW) == Rest()


@pytest.mark.parametrize(
    ("o", "warning", "reason", "says"),
    [
        (failed(there=MINE), True, "MigrationRollsBack", "goes back to DatabaseBackup migrate-before-"),
        (failed(there=replace(MINE, phase=Phase.RUNNING)), True, "MigrationRollsBack", "migrate-rollback-"),
        (failed(there=replace(MINE, phase=AWAITS)), True, "RollbackAwaitsConfirmation", "describe"),
        (failed(there=replace(MINE, phase=Phase.SUCCEEDED)), False, "MigrationRolledBack", "has taken the database"),
        (failed(there=replace(MINE, phase=Phase.FAILED)), True, "RollbackFailed", "What to do: see why"),
        (failed(there=replace(MINE, ours=False)), True, "MigrationNotRolledBack", "not made for this Job"),
        (failed(back=None), True, "MigrationNotRolledBack", "What to do: choose another one"),
        (failed(refused="exceeded quota"), True, "MigrationNotRolledBack", "exceeded quota"),
    ],
    ids=["begins", "runs", "production waits for a person", "succeeded", "failed", "a stranger's has the name",
         "the backup is gone", "the API server refuses it"],
)  # fmt: skip
def test_how_the_rollback_stands_is_told_on_the_job(o: Any, warning: bool, reason: str, says: str):
    assert told(o)[:2] == (warning, reason)
    assert says in told(o)[2]


def test_what_the_api_server_refuses_is_asked_for_again_each_minute():
    assert decide(failed(refused="exceeded quota"), NOW).due == NOW + timedelta(minutes=1)


def test_where_the_backup_is_gone_the_restore_is_told_without_its_name():
    assert told(failed(back=None, there=MINE))[2].endswith("goes back to before this Job")


def test_the_next_migration_waits_until_the_rollback_is_made_and_until_it_has_ended():
    due = standing(FAILED, GOOD, BACK, None)
    assert due is not None
    assert (due.begun, due.stuck) == (True, False)
    assert standing(FAILED, GOOD, BACK, MINE) is None  # from here on the restore itself is waited for
    assert told(seen(others=(another(10, begun=True),)))[1] == "MigrationWaits"
    warning, reason, says = told(seen(restoring="migrate-rollback-1"))
    assert (warning, reason) == (False, "MigrationWaits")
    assert "until DatabaseRestore migrate-rollback-1" in says
    assert "until Job other" in told(seen(others=(another(10, begun=True),), restoring="migrate-rollback-1"))[2]


@pytest.mark.parametrize(
    ("job", "back"),
    [(replace(FAILED, on_failure=""), BACK), (replace(FAILED, failed=False, complete=True), BACK),
     (FAILED, replace(BACK, made=True)), (FAILED, None)],
    ids=["it does not ask", "it succeeded", "the restore was made", "no backup is there"],
)  # fmt: skip
def test_a_job_that_is_not_to_be_rolled_back_is_in_nobodys_way_when_it_has_ended(
    job: MigrationJob, back: WayBack | None
):
    assert standing(job, GOOD, back) is None


def test_a_job_that_asks_for_a_rollback_has_its_backup_made_like_any_other():
    job = annotated(**{"on-failure": "rollback"})
    assert decide(seen(job), NOW) == Do(MakeBackup(job.backup_name))


@pytest.mark.parametrize("value", ["Rollback", "undo", "rollback "])
def test_a_wish_that_is_not_known_holds_the_job_before_anything_is_changed(value: str):
    job = annotated(**{"on-failure": value})
    warning, reason, says = told(seen(job, backup=GOOD))
    assert (warning, reason) == (True, "OnFailureUnknown")
    assert "only rollback is known" in says


def test_the_rollbacks_name_is_the_jobs_own_whatever_its_annotations_say():
    names = {annotated(**{"on-failure": "rollback", "backup-now": str(n)}).rollback_name for n in range(3)}
    assert len(names) == 1
    assert len({FAILED.rollback_name, replace(FAILED, uid="j-2").rollback_name}) == 2
    long = replace(FAILED, name="migrate." + "x" * 300).rollback_name
    assert len(long) <= 63
    assert "." not in long


@pytest.mark.parametrize("value", ["x", "x" * 64], ids=["the shortest", "the longest"])
def test_a_confirmation_that_a_restore_can_repeat_is_taken_as_it_is(value: str):
    assert annotated(confirm=value).confirm == value


@pytest.mark.parametrize("value", ["x" * 65, ""], ids=["too long", "empty"])
def test_a_confirmation_that_a_restore_cannot_repeat_is_none(value: str):
    assert annotated(confirm=value).confirm is None


def test_the_rollback_is_confirmed_only_where_the_job_has_named_the_database():
    plain = manifest.resource("shop", "r", "b", "orders", Failed("migrate", "j-1", None))["spec"]
    assert plain == {"source": {"backupRef": {"name": "b"}}, "mode": "Replace"}
    spec = manifest.resource("shop", "r", "b", "orders", Failed("migrate", "j-1", "shopdb"))["spec"]
    assert spec["confirm"] == "shopdb"
    assert spec["unattended"]["reason"].startswith("Job migrate has failed, and asked for it")
