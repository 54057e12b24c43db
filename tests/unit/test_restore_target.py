"""Which database a restore goes into, how its Job runs there, what that database is for, and where it is saved to."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.builders import NOW, a_policy, policy_dict, settings

from holdfast.api.database import Database
from holdfast.api.job import JobTemplate
from holdfast.api.policy import BackupPolicySpec, Environment
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import DatabaseRestoreStatus
from holdfast.decide.resolve import resolve
from holdfast.decide.restore import target as targets
from holdfast.decide.restore.observation import Observation, RestoreView
from holdfast.decide.restore.target import Target, target_of
from holdfast.settings import Settings

DEV, STAGING, PRODUCTION = Environment
JOB = {"serviceAccountName": "backup", "activeDeadlineSeconds": 900}
STORES = settings(stores={"cold": {"bucket": "cold"}})
SOURCE = resolve(a_policy(job=JOB, environment="staging"), STORES)
COPY = policy_dict()["database"] | {"name": "copy"}
COLD = a_policy(database=COPY, storage={"store": "cold"}, job={"backoffLimit": 0}, environment="dev")
FOLDER = {"bucket": {"s3": {"bucket": "archive"}, "folder": "eu-1/shop/orders/backup-1"}}


def found(
    target: dict[str, Any] | None = None, source: BackupPolicySpec | None = SOURCE, *,
    policy: BackupPolicySpec | None = None, production: Sequence[tuple[str, tuple[str, str]]] = (),
    known: Settings = STORES, **spec: Any,
) -> Target:  # fmt: skip
    """The target of a restore of a backup; without a source, of a folder."""
    whence = {"backupRef": {"name": "first"}} if source else FOLDER
    read = DatabaseRestoreSpec.model_validate({"source": whence} | ({"target": target} if target else {}) | spec)
    view = RestoreView("shop", "again", "uid", 1, NOW, False, read, DatabaseRestoreStatus())
    return target_of(Observation(view, target_policy=policy, production=production), source, known)


def says(who: str, environment: Environment) -> str:
    return f"{who} says that the target is of {environment}"


def test_where_nothing_is_said_it_is_what_was_backed_up():
    assert found() == Target(
        SOURCE.database, SOURCE.job, STAGING, says("the backup", STAGING), SOURCE.storage
    )  # fmt: skip


def test_a_policy_that_is_named_says_all_of_it():
    whole = resolve(COLD, STORES)
    target = found({"policyRef": {"name": "copies"}}, policy=COLD)
    assert target == Target(whole.database, whole.job, DEV, says("BackupPolicy copies", DEV), whole.storage)
    assert target.storage.store == "cold"


def test_a_database_that_is_named_is_reached_by_a_job_like_that_of_the_backup_and_nobody_says_what_it_is_for():
    database = Database.model_validate(COPY)
    assert found({"database": COPY}) == Target(database, SOURCE.job, None, None, SOURCE.storage)


def test_what_a_folder_is_restored_into_is_reached_by_an_ordinary_job():
    whole = resolve(a_policy(database=COPY, storage={"s3": {"bucket": "archive"}}), STORES)
    assert found({"database": COPY}, source=None) == Target(whole.database, whole.job, None, None, whole.storage)


IT = ("server orders-db.shop.svc:5432", "copy")


@pytest.mark.parametrize(
    ("said", "production", "environment", "who"),
    [
        pytest.param(None, [], None, None, id="nobody knows"),
        pytest.param("dev", [], DEV, "spec.target", id="what the restore says"),
        pytest.param(None, [("live", IT)], PRODUCTION, "BackupPolicy live", id="production, as a policy of it says"),
        pytest.param("dev", [("live", IT)], PRODUCTION, "BackupPolicy live", id="production, whatever a restore says"),
        pytest.param("production", [("live", IT)], PRODUCTION, "spec.target", id="production, as both of them say"),
        pytest.param("dev", [("live", (IT[0], "orders"))], DEV, "spec.target",
                     id="not production, since another database is"),
    ],
)  # fmt: skip
def test_a_database_that_is_named_is_for(said: Any, production: Any, environment: Any, who: str | None):
    target = found({"database": COPY} | ({"environment": said} if said else {}), production=production)
    because = says(who, environment) if who else None
    assert (target.environment, target.because) == (environment, because)


@pytest.mark.parametrize(
    ("said", "of_source", "environment", "who"),
    [
        pytest.param("dev", "staging", DEV, "spec.target", id="what the restore says"),
        pytest.param("dev", "production", PRODUCTION, "the backup", id="production, whatever a restore says"),
        pytest.param(None, "production", PRODUCTION, "the backup", id="production, as the backup"),
    ],
)
def test_what_was_backed_up_is_for(said: Any, of_source: str, environment: Environment, who: str):
    source = resolve(a_policy(environment=of_source), STORES)
    target = found({"environment": said} if said else None, source)
    assert (target.environment, target.because) == (environment, says(who, environment))


@pytest.mark.parametrize(
    ("engine", "name"),
    [("postgresql", "b" * 63), ("mysql", "b" * 64), ("mariadb", "ü" * 64)],
    ids=["63 bytes on PostgreSQL", "64 on MySQL", "64 characters on MariaDB"],
)
def test_a_database_may_have_another_name_of(engine: str, name: str):
    source = resolve(a_policy(database=policy_dict()["database"] | {"engine": engine}), STORES)
    assert found({"databaseName": name}, source).database == source.database.model_copy(update={"name": name})


@pytest.mark.parametrize(
    ("job", "laid_over"),
    [
        pytest.param(None, {}, id="nothing"),
        pytest.param({}, {}, id="nothing in particular"),
        pytest.param({"activeDeadlineSeconds": 77}, {"active_deadline_seconds": 77}, id="a deadline"),
        pytest.param({"activeDeadlineSeconds": None, "backoffLimit": 0}, {"backoff_limit": 0},
                     id="another number of tries, and a field that is empty"),
    ],
)  # fmt: skip
def test_of_the_job_a_restore_says(job: Any, laid_over: dict[str, Any]):
    target = found(job=job) if job is not None else found()
    assert target.job == JobTemplate.model_validate(SOURCE.job.model_copy(update=laid_over).to_dict())


def test_what_is_of_production_is_saved_where_its_policy_keeps_backups_and_else_nothing_is():
    """The store is filled in: that its name means another one by then, changes nothing."""
    live = COLD.model_copy(update={"environment": PRODUCTION})
    target = found({"policyRef": {"name": "copies"}}, policy=live)
    assert targets.safety_storage(target) == target.storage.model_copy(update={"store": None})
    assert target.storage.s3.bucket == "cold"
    assert targets.safety_storage(found({"policyRef": {"name": "copies"}}, policy=COLD)) is None
    assert targets.safety_storage(found({"database": COPY})) is None
