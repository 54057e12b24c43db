"""The task: nothing that Kubernetes or a shell might rewrite is in it, and it is read back as it was written."""

import json
import re
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from tests.builders import UID, a_policy, policy_dict

from holdfast.api.policy import Dump
from holdfast.contract import task as tasks
from holdfast.contract.task import (
    BackupIdentity,
    BackupTask,
    CleanupTask,
    DeleteTask,
    DropTask,
    RestoreIdentity,
    RestoreTask,
    SnapshotRestoreTask,
)
from holdfast.errors import HoldfastError, Reason

POLICY = a_policy()


def a_task(name="orders", label=None):
    database = policy_dict()["database"] | {"name": name}
    identity = BackupIdentity(
        uid=UID, namespace="shop", name="orders-1", backup_id="backup-20261122-084500", environment="production",
        label=label, reason="why: $$", retention_days=90,
    )  # fmt: skip
    return BackupTask(
        backup=identity, database=a_policy(database=database).database, dump=Dump(), s3=POLICY.storage.s3,
        key_prefix="eu-1/shop/orders/backup-20261122-084500/", deadline_seconds=60,
    )  # fmt: skip


def kubelet(value):
    """Expand `$(NAME)` and `$$` as Kubernetes does in the values of environment variables."""
    return re.sub(r"\$(\$|\(\w+\))", lambda found: "$" if found[1] == "$" else "/root", value)


@pytest.mark.parametrize("name", ["$", "$$", "$(HOME)", "$$(HOME)", "$$$(HOME)", "a$b", "\\$", "$\\u0024", "${HOME}"])
def test_dollars_survive_kubernetes(name):
    written = tasks.to_environment(a_task(name))
    assert "$" not in written
    read = tasks.parse(kubelet(written))
    assert isinstance(read, BackupTask)
    assert read.database.name == name


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=63))
def test_any_name_is_read_back_as_it_was_written(name):
    assert tasks.parse(kubelet(tasks.to_environment(a_task(name)))) == a_task(name)


@pytest.mark.parametrize(
    "work",
    [
        a_task(label="before-v2"),
        RestoreTask(
            backup_uid=UID, database=POLICY.database, s3=POLICY.storage.s3, key_prefix="a/b/c/", deadline_seconds=1
        ),
        CleanupTask(backup_uid=UID, s3=POLICY.storage.s3, key_prefix="a/b/c/", deadline_seconds=1),
    ],
    ids=["backup", "restore", "cleanup"],
)
def test_every_kind_is_read_back_as_its_own(work):
    assert tasks.parse(tasks.to_environment(work)) == work


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "JSON"),
        ("{}", "kind"),
        ('{"kind": "brew"}', "kind"),
        ('{"kind": "cleanup"}', "deadlineSeconds"),
        ("[", "JSON"),
    ],
)
def test_what_is_no_task_is_refused_with_the_field(text, says):
    with pytest.raises(HoldfastError, match="cannot be read") as caught:
        tasks.parse(text)
    assert caught.value.reason is Reason.INVALID_TASK
    assert says in caught.value.message


TARGET = {"s3": POLICY.storage.s3, "key_prefix": "a/b/c/", "deadline_seconds": 1}


def a_drop(database=POLICY.database):
    identity = RestoreIdentity(uid=UID, namespace="shop", name="orders-back")
    return DropTask(database=database, restore=identity, names=["orders_before_x"], deadline_seconds=1)


def test_a_log_line_is_known_by_the_backup_or_the_restore_and_of_any_other_task_by_its_folder():
    assert a_task().known_by == {"backupID": "backup-20261122-084500", "namespace": "shop", "name": "orders-1"}
    assert CleanupTask(backup_uid=UID, **TARGET).known_by == {"prefix": "a/b/c/"}
    assert a_drop().known_by == {"namespace": "shop", "name": "orders-back"}


@pytest.mark.parametrize("username", ["reader", None])
def test_the_users_name_is_no_secret_where_the_policy_gives_it(username):
    server = {"host": "db", "secretName": "db"} | ({"username": username} if username else {})
    database = a_policy(database=policy_dict()["database"] | {"connection": server}).database
    restore = RestoreTask(backup_uid=UID, database=database, **TARGET)
    assert a_task().model_copy(update={"database": database}).given_user == username
    assert restore.given_user == username
    assert a_drop(database).given_user == username
    assert CleanupTask(backup_uid=UID, **TARGET).given_user is None


def test_a_file_has_no_user():
    on_a_volume = {"engine": "sqlite", "volume": {"claimName": "data", "path": "orders.db"}}
    database = a_policy(database=on_a_volume).database
    assert a_task().model_copy(update={"database": database}).given_user is None
    assert RestoreTask(backup_uid=UID, database=database, **TARGET).given_user is None
    assert a_drop(database).given_user is None


def test_one_job_restores_and_makes_no_database_where_nothing_else_is_said():
    task = RestoreTask(backup_uid=UID, database=POLICY.database, **TARGET)
    assert (task.jobs, task.create) == (1, False)


def test_a_task_is_as_short_as_it_can_be():
    written = tasks.to_environment(
        CleanupTask(backup_uid=UID, s3=POLICY.storage.s3, key_prefix="a/", deadline_seconds=1)
    )
    assert "null" not in written
    assert '"deadlineSeconds"' in written


def test_what_cannot_be_read_is_named_by_its_field_and_not_repeated():
    secret = '{"kind": "cleanup", "version": 1, "backupUID": ["hush-hush"]}'
    with pytest.raises(HoldfastError) as caught:
        tasks.parse(secret)
    assert "the task cannot be read: cleanup." in caught.value.message
    assert "hush" not in f"{caught.value.message} {caught.value.remedy}"
    with pytest.raises(HoldfastError, match="the task cannot be read: the document: Invalid JSON"):
        tasks.parse("Killed")


AN_ITEM = {"uid": UID, "namespace": "shop", "name": "a", "backupID": "backup-1", "key_prefix": "a/b/c/"}
RESTORE = RestoreIdentity(uid=UID, namespace="shop", name="again")


@pytest.mark.parametrize("owner", ["o" * 63, None], ids=["as long as PostgreSQL has names", "none"])
def test_an_owner_is_taken_that_is(owner):
    assert RestoreTask(backup_uid=UID, database=POLICY.database, owner=owner, **TARGET).owner == owner


def test_no_longer_owner_is_taken():
    with pytest.raises(ValidationError, match="owner"):
        RestoreTask(backup_uid=UID, database=POLICY.database, owner="o" * 64, **TARGET)


@pytest.mark.parametrize("count", [0, 5], ids=["nothing", "more than a restore makes"])
def test_a_removal_is_refused_that_names(count):
    with pytest.raises(ValidationError, match="names"):
        DropTask(database=POLICY.database, restore=RESTORE, deadline_seconds=1, names=["x"] * count)


def a_restore_of(**fields):
    return RestoreTask(backup_uid=UID, database=POLICY.database, **TARGET, **fields)


def a_snapshots_restore(**fields):
    instance = {"region": "eu-central-1", "identifier": "orders"}
    target = {"identifier": "again"}
    return SnapshotRestoreTask(restore=RESTORE, instance=instance, target=target, **TARGET, **fields)


@pytest.mark.parametrize(
    ("make", "name", "most"),
    [
        pytest.param(a_restore_of, "tables", 1000, id="tables"),
        pytest.param(a_restore_of, "never_unmasked_of", 8, id="environments"),
        pytest.param(a_snapshots_restore, "never_unmasked_of", 8, id="environments, of a snapshot"),
    ],
)
def test_a_restore_names_at_most_so_many(make, name, most):
    assert len(getattr(make(**{name: ["x"] * most}), name)) == most
    with pytest.raises(ValidationError, match=rf"{name}|{to_camel(name)}"):
        make(**{name: ["x"] * (most + 1)})


@pytest.mark.parametrize("count", [0, 51], ids=["none", "more than a page has"])
def test_a_deletion_is_refused_of_so_many_backups(count):
    assert len(DeleteTask(items=[AN_ITEM] * 50, **TARGET).items) == 50
    with pytest.raises(ValidationError, match="items"):
        DeleteTask(items=[AN_ITEM] * count, **TARGET)


def test_a_deletion_is_refused_that_more_backups_must_stay_for_than_it_deletes_at_most():
    stays = [{"uid": UID, "key_prefix": "a/b/d/"}]
    assert len(DeleteTask(items=[AN_ITEM], must_stay=stays * 50, **TARGET).must_stay) == 50
    with pytest.raises(ValidationError, match=r"must_stay|mustStay"):
        DeleteTask(items=[AN_ITEM], must_stay=stays * 51, **TARGET)


def test_every_task_that_is_defined_can_be_read():
    kinds = [kind for kind in vars(tasks).values() if isinstance(kind, type) and issubclass(kind, tasks.AnyWork)]
    read = typing.get_args(typing.get_args(tasks.Task)[0])
    assert {kind for kind in kinds if "kind" in kind.model_fields} == set(read)


def test_an_id_is_spelled_in_a_task_as_it_is_in_status_and_manifest():
    for model in typing.get_args(typing.get_args(tasks.Task)[0]):
        assert '"backupId"' not in json.dumps(model.model_json_schema(by_alias=True)), model.__name__
