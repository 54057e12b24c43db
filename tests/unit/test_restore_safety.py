"""The backup of a target of production before a restore: what it is, when there is none, and how it is waited for."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, UID, a_policy, ago, policy_dict, settings

from holdfast import naming
from holdfast.api.guard import Confirmation, SafetyBackup
from holdfast.api.policy import Environment
from holdfast.api.rds_target import RDSTarget
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import DatabaseRestoreStatus, Phase, ResolvedRestore
from holdfast.api.restoring import RestoreMode
from holdfast.api.storage import S3Storage, Storage
from holdfast.decide.decision import Announcement, Do, MakeBackup, Write
from holdfast.decide.resolve import resolve
from holdfast.decide.restore import safety
from holdfast.decide.restore.observation import Observation, RestoreView, SafetyView
from holdfast.errors import HoldfastError, Reason

STORES = settings(stores={"cold": {"bucket": "cold"}})
ORDERS = resolve(a_policy(), STORES)
OWN = Storage(s3=S3Storage(bucket="beside"))  # where it goes where no policy says it
BACKUP = {"source": {"backupRef": {"name": "first"}}}
FOLDER = {"source": {"bucket": {"s3": {"bucket": "old"}, "folder": "shop/orders/backup-1"}}}
NAME = "again-safety-1"
TOLD = SafetyBackup(name=NAME, message="it is in progress")
TAKEN = f"Holdfast first takes DatabaseBackup {NAME} of the target; the restore continues when it has Succeeded"


def resolved(**changes: Any) -> ResolvedRestore:
    fields = {"database": ORDERS.database, "mode": RestoreMode.REPLACE, "job": ORDERS.job, "safety_storage": OWN}
    return ResolvedRestore(**fields | {"environment": Environment.PRODUCTION} | changes)


def seen(
    what: ResolvedRestore | None = None, told: SafetyBackup | None = None, spec: Any = None, **changes: Any
) -> Observation:
    """A restore that was confirmed ten seconds ago."""
    read = DatabaseRestoreSpec.model_validate({**BACKUP, **(spec or {})})
    status = DatabaseRestoreStatus(
        resolved=what or resolved(),
        confirmation=Confirmation(because="it is of production", confirmed_at=ago(10)),
        safety_backup=told,
    )
    return Observation(RestoreView("shop", "again", UID, 1, ago(60), False, read, status), **changes)


def step(o: Observation) -> Any:
    assert o.restore.status.resolved is not None
    return safety.step(o, o.restore.status.resolved, STORES, NOW)


def view(**changes: Any) -> SafetyView:
    """A backup that has not begun, of the very target."""
    fresh = SafetyView(UID, False, False, False, None, "", True, ago(20), True, None)
    return replace(fresh, **changes)


# whether one is taken


@pytest.mark.parametrize(
    ("what", "spec", "says"),
    [
        pytest.param(resolved(rds=RDSTarget(identifier="new"), mode=RestoreMode.REFUSE), {},
                     "none is taken: a new instance is made, and nothing that is there is changed",
                     id="a new instance"),
        pytest.param(
            resolved(kept="orders_before"), {},
            "Holdfast takes none: putting a database back keeps the present one under another name", id="an undo",
        ),
        pytest.param(resolved(mode=RestoreMode.REFUSE), {},
                     "Holdfast takes none: in mode Refuse the target must be empty", id="an empty target"),
        pytest.param(resolved(), {"safetyBackup": "Skip"}, "Holdfast takes none: spec.safetyBackup is Skip",
                     id="somebody who wants none"),
    ],
)  # fmt: skip
def test_none_is_taken_for(what: ResolvedRestore, spec: Any, says: str):
    o = seen(what, spec=spec)
    event = Announcement(True, "SafetyBackupSkipped", says) if spec else None
    none = SafetyBackup(message=says)
    assert step(o) == Write(o.restore.status.model_copy(update={"safety_backup": none}), event)
    assert step(seen(what, none, spec)) is None  # then the target may be touched


def test_it_is_named_by_the_moment_of_the_confirmation_before_it_is_made():
    decision = step(seen())
    name = naming.child_name("again", UID, "safety", int(ago(10).timestamp()))
    assert decision.status.safety_backup == SafetyBackup(name=name, message="it is in progress")
    assert decision.announcement == Announcement(False, "SafetyBackup", decision.status.message)
    assert (decision.status.phase, decision.status.message) == (Phase.PENDING, TAKEN.replace(NAME, name))
    assert step(seen(told=decision.status.safety_backup)) == Do(MakeBackup(name))


@pytest.mark.parametrize(
    ("what", "told"),
    [
        pytest.param(resolved(environment=Environment.STAGING), None, id="the target is of staging"),
        pytest.param(resolved(environment=None), None, id="nobody knows what the target is for"),
        pytest.param(resolved(), TOLD.model_copy(update={"completed_at": NOW}), id="it is done"),
    ],
)
def test_the_target_may_be_touched_where(what: ResolvedRestore, told: SafetyBackup | None):
    assert step(seen(what, told)) is None


# while it is under way, and its end


@pytest.mark.parametrize(
    ("backup", "due"),
    [
        pytest.param(view(), NOW + timedelta(seconds=60), id="looked at again soon where it has not begun"),
        pytest.param(view(waits=False), None, id="left alone where it has, since its end is an event"),
        pytest.param(view(policy_gone="orders", created=ago(59)), NOW + timedelta(seconds=60),
                     id="waited for where its policy may still come"),
        pytest.param(view(created=ago(6000)), NOW + timedelta(seconds=60), id="waited for as long as it takes"),
    ],
)  # fmt: skip
def test_it_is(backup: SafetyView, due: Any):
    decision = step(seen(told=TOLD, safety=backup))
    assert (decision.status.message, decision.status.safety_backup, decision.due) == (TAKEN, TOLD, due)


@pytest.mark.parametrize(
    ("completed", "at"), [(ago(3), ago(3)), (None, NOW)], ids=["when it says", "now, where it does not say"]
)
def test_a_good_one_is_done(completed: Any, at: Any):
    o = seen(told=TOLD, safety=view(ended=True, good=True, completed=completed, waits=False))
    done = SafetyBackup(name=NAME, completed_at=at, message="it has Succeeded")
    assert step(o) == Write(o.restore.status.model_copy(update={"safety_backup": done}))


DESCRIBE = (
    f"find the cause with kubectl -n shop describe databasebackups.holdfast.dev {NAME} and correct it, or set "
    "safetyBackup to Skip; then create another DatabaseRestore; nothing was changed"
)
AGAIN = (
    f"create the BackupPolicy again, or delete DatabaseBackup {NAME}, which waits for it; then create another "
    "DatabaseRestore; nothing was changed"
)
ENDED = view(ended=True, waits=False)
OF_THE_TARGET = f"DatabaseBackup {NAME}, which backs up the target before the restore,"


@pytest.mark.parametrize(
    ("changes", "says", "remedy"),
    [
        pytest.param({"safety_refused": "quota"}, f"the API server refuses DatabaseBackup {NAME}: quota", DESCRIBE,
                     id="the API server takes none"),
        pytest.param(
            {"safety": view(restore="another")},
            f"DatabaseBackup {NAME} already exists, and was not created for this restore", DESCRIBE,
            id="somebody else made one of that name",
        ),
        pytest.param({"safety": replace(ENDED, failed_for="DatabaseLocked")}, f"{OF_THE_TARGET} failed: DatabaseLocked",
                     DESCRIBE, id="it failed"),
        pytest.param({"safety": view(deleting=True)}, f"{OF_THE_TARGET} is being deleted", DESCRIBE,
                     id="somebody deletes it before its end"),
        pytest.param({"safety": replace(ENDED, good=True, deleting=True)}, f"{OF_THE_TARGET} is being deleted",
                     DESCRIBE, id="somebody deletes it after its end"),
        pytest.param(
            {"safety": replace(ENDED, good=True, of_target=False)},
            f"DatabaseBackup {NAME} is of another database, since its policy was changed meanwhile", DESCRIBE,
            id="it is of another database",
        ),
        pytest.param(
            {"safety": view(policy_gone="orders", created=ago(60))},
            f"DatabaseBackup {NAME} cannot begin, since its BackupPolicy orders was deleted", AGAIN,
            id="its policy is gone for a minute",
        ),
    ],
)  # fmt: skip
def test_nothing_is_touched_where(changes: dict[str, Any], says: str, remedy: str):
    decision = step(seen(told=TOLD, **changes))
    failure = decision.status.failure
    assert (decision.status.phase, failure.reason) == (Phase.FAILED, Reason.SAFETY_BACKUP_FAILED)
    assert (failure.message, failure.remedy) == (says, remedy)
    assert decision.status.safety_backup == TOLD


def test_the_words_of_an_api_server_are_cut():
    message = step(seen(told=TOLD, safety_refused="x" * 3000)).status.failure.message
    assert (len(message), message[-1]) == (2000, "…")


@pytest.mark.parametrize(
    ("what", "goes_on"),
    [
        pytest.param(resolved(), True, id="that is replaced"),
        pytest.param(resolved(mode=RestoreMode.INTO, create=True), True, id="that is created"),
        pytest.param(resolved(mode=RestoreMode.INTO), False, id="that has to be there"),
    ],
)
def test_of_a_target_that_does_not_exist(what: ResolvedRestore, goes_on: bool):
    o = seen(what, TOLD, safety=replace(ENDED, failed_for=Reason.DATABASE_NOT_FOUND))
    decision = step(o)
    if not goes_on:
        assert decision.status.failure.message == f"{OF_THE_TARGET} failed: DatabaseNotFound"
        return
    none = SafetyBackup(message=f"none is needed: DatabaseBackup {NAME} found that the target does not exist yet")
    assert decision == Write(o.restore.status.model_copy(update={"safety_backup": none}))


# beside a source that is encrypted

SEALED = resolved(identity_secret="age")
UNSEALED = "would be stored beside it without encryption"
ANOTHER_USER = policy_dict()["database"] | {"connection": {"host": "orders-db", "secretName": "reader"}}
READERS = ("readers", a_policy(database=ANOTHER_USER, storage={"store": "cold"}))


def test_beside_an_encrypted_folder_none_is_made_in_the_clear():
    with pytest.raises(HoldfastError, match=UNSEALED) as refused:
        step(seen(SEALED, TOLD, FOLDER))
    assert refused.value.reason is Reason.SAFETY_BACKUP_FAILED


@pytest.mark.parametrize(
    ("what", "spec", "policies"),
    [
        pytest.param(resolved(), FOLDER, (), id="the source is not encrypted"),
        pytest.param(SEALED, BACKUP, (), id="the source is a backup, whose policy says how it is stored"),
        pytest.param(SEALED, FOLDER, (READERS,), id="a policy of the target says how it is stored"),
        pytest.param(SEALED, FOLDER | {"target": {"policyRef": {"name": "orders"}, "databaseName": "copy"}}, (),
                     id="a policy is named for the target, whatever the name of that"),
    ],
)  # fmt: skip
def test_one_is_made_where(what: ResolvedRestore, spec: Any, policies: Any):
    assert step(seen(what, TOLD, spec, policies=policies)) == Do(MakeBackup(NAME))


def test_one_that_is_made_is_waited_for_though_its_policy_is_gone_since():
    assert step(seen(SEALED, TOLD, FOLDER, safety=view())).status.message == TAKEN


def test_a_policy_that_names_a_store_which_is_none_does_not_say_how_it_is_stored():
    broken = ("broken", a_policy(storage={"store": "gone"}))
    with pytest.raises(HoldfastError, match=UNSEALED):
        step(seen(SEALED, TOLD, FOLDER, policies=(broken,)))
    assert step(seen(SEALED, TOLD, FOLDER, policies=(broken, READERS))) == Do(MakeBackup(NAME))


# what it is to be

NAMES_ORDERS = {"target": {"policyRef": {"name": "orders"}}}
A, Z = ("another", a_policy()), ("orders", a_policy())
LONG = ("long", a_policy(retention={"days": 400}))


@pytest.mark.parametrize(
    ("policies", "spec", "hours", "is_to_be"),
    [
        pytest.param((Z, A), {}, 24, safety.Spec("another", None, 90), id="the first policy's"),
        pytest.param((Z, A), {"target": {"databaseName": "orders"}}, 24, safety.Spec("another", None, 90),
                     id="the first policy's, where none is named for the target"),
        pytest.param((A, Z), NAMES_ORDERS, 24, safety.Spec("orders", None, 90), id="the policy's that is named"),
        pytest.param((READERS, Z), {}, 24, safety.Spec("orders", None, 90), id="that one's which asks as the restore"),
        pytest.param((LONG,), {}, 24 * 99, safety.Spec("long", None, 400), id="kept as long as its policy says"),
        pytest.param((A,), {}, 24 * 99, safety.Spec("another", None, 99), id="kept as long as what is replaced"),
        pytest.param((A,), {}, 24 * 99 + 1, safety.Spec("another", None, 100), id="kept for whole days"),
    ],
)  # fmt: skip
def test_it_is_to_be(policies: Any, spec: Any, hours: int, is_to_be: safety.Spec):
    assert safety.spec(seen(resolved(keep_hours=hours), spec=spec, policies=policies), STORES) == is_to_be


@pytest.mark.parametrize(
    ("policies", "hours", "storage", "days"),
    [
        pytest.param((), 24, {"s3": {"bucket": "beside"}}, 90, id="where its target's backups would go"),
        pytest.param((READERS,), 24 * 100, resolve(READERS[1], STORES).storage.to_dict() | {"store": None}, 100,
                     id="where a policy keeps its own that asks as another user"),
    ],
)  # fmt: skip
def test_one_that_no_policy_takes_is_complete_in_itself_and_is_kept(
    policies: Any, hours: int, storage: dict[str, Any], days: int
):
    told = safety.spec(seen(resolved(keep_hours=hours), policies=policies), STORES)
    assert (told.policy, told.days) == (None, days)
    assert told.given == {
        "environment": "production",
        "database": ORDERS.database.to_dict(),
        "storage": {key: value for key, value in storage.items() if value is not None},
        "job": ORDERS.job.to_dict(),
    }
