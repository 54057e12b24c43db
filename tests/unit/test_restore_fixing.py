"""What a restore is fixed to be: into which database, under which names; and what cannot be is refused by name."""

from typing import Any

import pytest
from tests.builders import (
    NOW,
    a_begun_backup,
    a_policy,
    a_sqlite_policy,
    an_rds_policy,
    as_begun,
    policy_dict,
    settings,
)

from holdfast import naming
from holdfast.api.backup import BackupGlobals, Phase
from holdfast.api.database import Database
from holdfast.api.masking import AfterRestore
from holdfast.api.policy import BackupPolicySpec, Environment
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import Artifact, DatabaseRestoreStatus, Removal, Replaced, ResolvedRestore
from holdfast.api.restoring import Content, GlobalsMode, RestoreMode
from holdfast.decide.resolve import resolve
from holdfast.decide.restore.fixing import names, of_backup, of_bucket, of_former
from holdfast.decide.restore.observation import Former, Observation, RestoreView
from holdfast.decide.restore.source import Choice
from holdfast.decide.restore.target import in_words, target_of
from holdfast.errors import HoldfastError, Reason

UID = "uid-of-the-restore"
A_DAY = 24  # hours, for which a replaced database is kept where nobody says more
POSTGRES = resolve(a_policy(), settings())
FILE = resolve(a_sqlite_policy(), settings())


def seen(target: dict[str, Any] | None = None, policy: BackupPolicySpec | None = None, **spec: Any) -> Observation:
    body = {"source": {"backupRef": {"name": "first"}}} | ({"target": target} if target else {}) | spec
    read = DatabaseRestoreSpec.model_validate(body)
    view = RestoreView("shop", "back", UID, 1, NOW, False, read, DatabaseRestoreStatus())
    return Observation(view, target_policy=policy)


REFUSED: dict[str, tuple[Observation, BackupPolicySpec, Reason, str]] = {
    "a policy that is not there": (
        seen({"policyRef": {"name": "staging"}}), POSTGRES, Reason.SOURCE_NOT_FOUND,
        "the target's BackupPolicy staging does not exist in this namespace",
    ),
    "a policy of an RDS instance": (
        seen({"policyRef": {"name": "staging"}}, an_rds_policy()), POSTGRES, Reason.INVALID_SPEC,
        "the target is an instance of RDS",
    ),
    "another name for a file": (
        seen({"databaseName": "other"}), FILE, Reason.INVALID_SPEC,
        "target.databaseName names a database on a server, and an SQLite database is a file",
    ),
    "a name of more than 63 bytes for PostgreSQL": (
        seen({"databaseName": "ü" * 32}), POSTGRES, Reason.INVALID_SPEC,
        "the name of a PostgreSQL database has at most 63 bytes",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("o", "source", "reason", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_as_target_is_refused(o: Observation, source: BackupPolicySpec, reason: Reason, message: str):
    with pytest.raises(HoldfastError) as refused:
        target_of(o, source, settings())
    assert (refused.value.reason, refused.value.message) == (reason, message)
    assert "create another DatabaseRestore" in refused.value.remedy


def test_a_name_of_63_bytes_is_taken_and_all_else_stays():
    target = target_of(seen({"databaseName": "ü" * 31 + "a"}), POSTGRES, settings())
    assert target.database == POSTGRES.database.model_copy(update={"name": "ü" * 31 + "a"})
    assert (target.job, target.storage) == (POSTGRES.job, POSTGRES.storage)


def a_server(**connection: Any) -> Database:
    return a_policy(database=policy_dict()["database"] | {"connection": {"secretName": "db"} | connection}).database


@pytest.mark.parametrize(
    ("database", "words"),
    [
        pytest.param(a_server(host="db"), "orders on db:5432", id="a server"),
        pytest.param(a_server(host="db", port=6432), "orders on db:6432", id="a server with a port"),
        pytest.param(a_server(), "orders on the server in Secret db", id="one that the Secret names"),
        pytest.param(FILE.database, "data/app.db on claim app-data", id="a file"),
    ],
)
def test_a_target_is_told_in_few_words(database: Database, words: str):
    assert in_words(database) == words


@pytest.mark.parametrize(
    ("path", "folder"), [("orders.db", ""), ("data/shop/orders.db", "data/shop/")], ids=["at the root", "in a folder"]
)
def test_what_lies_beside_a_file_lies_in_its_folder(path: str, folder: str):
    assert FILE.database.volume is not None
    volume = FILE.database.volume.model_copy(update={"path": path})
    fresh, old = names(FILE.database.model_copy(update={"volume": volume}), "back", UID)
    assert (fresh.rpartition("/")[0], old.rpartition("/")[0]) == (folder.rstrip("/"), folder.rstrip("/"))
    assert fresh.removeprefix(folder).startswith("orders.db_restoring_")
    assert old.removeprefix(folder).startswith("orders.db_before_back_")


@pytest.mark.parametrize("length", [5, 255])
def test_what_lies_beside_a_file_has_a_name_that_file_systems_take(length: int):
    assert FILE.database.volume is not None
    volume = FILE.database.volume.model_copy(update={"path": "d" * length})
    beside = names(FILE.database.model_copy(update={"volume": volume}), "r" * 63, UID)
    assert [len(name.encode()) <= 255 for name in beside] == [True, True]
    assert len(set(beside)) == 2


def former(**changes: Any) -> Former:
    """A restore that has replaced a database, which is kept."""
    resolved = ResolvedRestore(database=POSTGRES.database, mode=RestoreMode.REPLACE, job=POSTGRES.job, keep_hours=24)
    kept = names(POSTGRES.database, "first-restore", "uid-of-the-former")[1]
    fields = {"resolved": resolved, "replaced": Replaced(name=kept, until=NOW), "target": "orders on db:5432"} | changes
    return Former("uid-of-the-former", DatabaseRestoreStatus.model_construct(**{"removal": None} | fields))


UNDOES = seen(source={"replacedBy": {"name": "first-restore"}}, mode="Replace")
KEPT = names(POSTGRES.database, "first-restore", "uid-of-the-former")[1]
NOT_UNDONE: dict[str, tuple[Former, str]] = {
    "has replaced nothing": (former(replaced=None), "DatabaseRestore first-restore has replaced no database"),
    "has never begun": (former(resolved=None), "DatabaseRestore first-restore has replaced no database"),
    "is having what it replaced removed": (
        former(removal=Removal(names=[KEPT], job_name="j", state="Running")),
        "the database that DatabaseRestore first-restore replaced is no longer kept: Running",
    ),
    "has had it removed": (
        former(removal=Removal(names=[KEPT], job_name="j", state="Done", message="removed it")),
        "the database that DatabaseRestore first-restore replaced is no longer kept: removed it",
    ),
    "names somebody else's database": (
        former(replaced=Replaced(name="payroll", until=NOW)),
        "the status of DatabaseRestore first-restore names payroll, a name that it never gives",
    ),
}


@pytest.mark.parametrize(("was", "message"), NOT_UNDONE.values(), ids=NOT_UNDONE.keys())
def test_nothing_is_put_back_of_a_restore_that(was: Former, message: str):
    with pytest.raises(HoldfastError) as refused:
        of_former(UNDOES, was)
    assert (refused.value.reason, refused.value.message) == (Reason.SOURCE_NOT_GOOD, message)


def test_what_was_replaced_is_put_back_and_what_is_there_now_is_kept_under_a_name_of_this_restore():
    left = Removal(names=["orders_restoring_x"], job_name="j", state="Done")
    fixed = of_former(UNDOES, former(removal=left))
    assert (fixed.resolved.kept, fixed.resolved.fresh) == (KEPT, None)
    assert fixed.resolved.old == names(POSTGRES.database, "back", UID)[1]
    assert (fixed.target, fixed.resolved.keep_hours) == ("orders on db:5432", A_DAY)
    assert fixed.source.restore == "first-restore"


def test_what_was_replaced_is_put_back_with_nothing_run_in_it_and_nothing_asked_about_masks():
    was = former().status.resolved.model_copy(
        update={
            "fresh": "orders_restoring_x",
            "after_restore": AfterRestore(sql_config_map_name="masks"),
            "never_unmasked_of": [Environment.PRODUCTION],
            "mode": RestoreMode.INTO,
        }
    )
    own = seen(source={"replacedBy": {"name": "first-restore"}}, keepReplacedHours=3, job={"activeDeadlineSeconds": 77})
    fixed = of_former(own, former(resolved=was, target=None))
    assert fixed.resolved.mode is RestoreMode.REPLACE
    assert (fixed.resolved.fresh, fixed.resolved.after_restore, fixed.resolved.never_unmasked_of) == (None, None, [])
    assert (fixed.resolved.keep_hours, fixed.resolved.job.active_deadline_seconds) == (3, 77)
    assert fixed.target == "orders on orders-db:5432"  # also where the former never said so


@pytest.mark.parametrize(
    ("environment", "because"),
    [
        pytest.param(None, None, id="of which nothing is known"),
        pytest.param(
            Environment.PRODUCTION, "DatabaseRestore first-restore restored into a database of production",
            id="of production",
        ),
    ],
)  # fmt: skip
def test_what_is_put_back_is_for_what_the_former_restore_was_for(environment: Any, because: str | None):
    was = former().status.resolved.model_copy(update={"environment": environment})
    fixed = of_former(UNDOES, former(resolved=was))
    assert (fixed.resolved.environment, fixed.resolved.environment_because) == (environment, because)


# a backup of the cluster

RECIPIENT = "age1zd5883cj64l8849f66m3724fpavwzaq3pau92lr5fvsgwauxt9lq4px9ek"


def fixed_of(policy: BackupPolicySpec | None = None, **spec: Any) -> ResolvedRestore:
    """What a restore of a good backup is fixed to be."""
    told = {
        "sha256": "c" * 64,
        "size_bytes": 820,
        "uncompressed_bytes": 3280,
        "server_major": 16,
        "globals": BackupGlobals(sha256="d" * 64, size_bytes=9),
    }
    backup = a_begun_backup(inline=policy or a_policy(environment="dev"), phase=Phase.SUCCEEDED, **told)
    return of_backup(seen(**spec), Choice("first", "it is named"), as_begun(backup.status), settings()).resolved


def test_all_that_a_restore_chooses_is_fixed():
    options = {"content": "Schema", "globals": "Require", "owner": "shop", "tables": ["public.orders"], "jobs": 4}
    fixed = fixed_of(
        target={"databaseName": "copy", "create": True},
        options=options | {"identitySecretName": "mine"},
        mode="Into",
        keepReplacedHours=3,
        job={"activeDeadlineSeconds": 77},
    )
    assert (fixed.content, fixed.globals, fixed.owner) == (Content.SCHEMA, GlobalsMode.REQUIRE, "shop")
    assert (fixed.tables, fixed.jobs, fixed.identity_secret) == (["public.orders"], 4, "mine")
    assert (fixed.database.name, fixed.create, fixed.mode) == ("copy", True, RestoreMode.INTO)
    assert (fixed.keep_hours, fixed.job.active_deadline_seconds) == (3, 77)
    assert (fixed.fresh, fixed.old) == (None, None)


def test_what_a_restore_does_not_choose_is_the_whole_backup_into_an_empty_database_that_is_there():
    fixed = fixed_of()
    assert (fixed.content, fixed.globals, fixed.owner) == (Content.ALL, GlobalsMode.NONE, None)
    assert (fixed.tables, fixed.jobs, fixed.identity_secret) == ([], 1, None)
    assert (fixed.database.name, fixed.create, fixed.mode) == ("orders", False, RestoreMode.REFUSE)
    assert fixed.keep_hours == A_DAY


def test_a_database_of_another_name_is_not_created_unless_that_is_asked_for():
    assert fixed_of(target={"databaseName": "copy"}).create is False


def test_all_that_the_backup_s_status_remembers_of_its_artifact_is_held_against_the_bucket():
    dump = {"format": "custom", "compression": {"algorithm": "zstd"}}
    fixed = fixed_of(a_policy(environment="dev", dump=dump))
    assert fixed.artifact == Artifact(
        sha256="c" * 64, size_bytes=820, uncompressed_bytes=3280, engine="postgresql", format="custom",
        compression="zstd", encryption="none", globals_sha256="d" * 64,
    )  # fmt: skip
    assert fixed.server_major == 16


def test_an_encrypted_backup_is_opened_by_the_usual_identity_where_no_other_is_named():
    storage = policy_dict()["storage"] | {"encryption": {"age": {"recipients": [RECIPIENT]}}}
    policy = a_policy(environment="dev", storage=storage)
    fixed = fixed_of(policy)
    assert fixed.artifact is not None
    assert (fixed.artifact.encryption, fixed.identity_secret) == ("age", naming.IDENTITY_SECRET)
    assert fixed_of(policy, options={"identitySecretName": "mine"}).identity_secret == "mine"


def test_an_older_status_that_remembers_less_is_restored_all_the_same():
    policy = a_policy(environment="dev")
    backup = a_begun_backup(inline=policy, phase=Phase.SUCCEEDED)
    without = backup.status.model_copy(update={"resolved": backup.status.resolved.model_copy(update={"dump": None})})
    fixed = of_backup(seen(), Choice("first", "it is named"), as_begun(without), settings()).resolved
    assert fixed.artifact == Artifact(engine="postgresql", encryption="none")


# a folder of a bucket

FOLDER = {"bucket": {"s3": {"bucket": "backups"}, "folder": "eu-1/shop/orders/backup-1"}}


def test_of_a_folder_nothing_is_known_but_where_it_lies():
    fixed = of_bucket(seen(source=FOLDER, target={"database": policy_dict()["database"]}), settings()).resolved
    assert (fixed.folder, fixed.database.name) == ("eu-1/shop/orders/backup-1/", "orders")
    assert (fixed.artifact, fixed.server_major, fixed.rds, fixed.identity_secret) == (None, None, None, None)


def test_a_folder_without_a_target_is_refused_where_the_api_server_has_let_it_through():
    with pytest.raises(HoldfastError, match=r"spec\.target is missing") as refused:
        of_bucket(seen(source=FOLDER), settings())
    assert refused.value.reason is Reason.INVALID_SPEC
