"""Wrong input ends with the documented exit code, a reason, what is wrong and what to do; and leaves nothing."""

from typing import Any

import pytest
from tests.integration.runner.servers import PASSWORD, USER
from tests.integration.runner.world import DATABASE_SECRET, World, assert_failed

NO_SECRET: dict[str, Any] = {"database_secret": None}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], int, str, list[str]]] = {
    "the database's Secret is missing": ({}, {"database_secret": None}, 1, "SecretMissing", ["Secret orders-db"]),
    "a key of the Secret is missing": (
        {}, {"database_secret": {"user": "x", "password": "y"}}, 1, "SecretKeyMissing",
        ["Secret orders-db", "no key username", "password, user"],
    ),
    "no host is given and the Secret has no URL": (
        {"connection": {"host": None}}, {}, 1, "SecretKeyMissing", ["neither the key url nor uri"],
    ),
    "the password has a line break": (
        {}, {"database_secret": {"username": USER, "password": "two\nlines"}}, 1, "SecretInvalid", ["key password"],
    ),
    "the URL is none": (
        {"connection": {"host": None}}, {"database_secret": {"url": f"postgresql://u:%zz{PASSWORD}@h/d"}}, 1,
        "SecretInvalid", ["key url"],
    ),
    "the password is wrong": (
        {}, {"database_secret": {"username": USER, "password": "wrong"}}, 3, "AuthenticationFailed",
        ["the user in Secret orders-db, key username", "database 'shop'", ":5432"],
    ),
    "the user is unknown": (
        {}, {"database_secret": DATABASE_SECRET | {"username": "nobody"}}, 3, "AuthenticationFailed",
        ["the user in Secret orders-db, key username"],
    ),
    "the database is unknown": ({"database": "Shop"}, {}, 3, "DatabaseNotFound", ["'Shop'"]),
    "the host does not resolve": (
        {"connection": {"host": "no-such-host.invalid"}}, {}, 3, "HostNotFound", ["no-such-host.invalid"],
    ),
    "the port refuses": ({"connection": {"port": 5433}}, {}, 3, "ConnectionRefused", [":5433"]),
    "the server has no TLS": ({"connection": {"tls": {"mode": "require"}}}, {}, 3, "TLSFailed", ["SSL"]),
    "the store's Secret is missing": ({}, {"storage_secret": None}, 1, "SecretMissing", ["Secret s3-credentials"]),
    "the bucket is missing": ({"s3": {"bucket": "no-such-bucket"}}, {}, 6, "BucketNotFound", ["no-such-bucket"]),
    "the store's key is wrong": (
        {}, {"storage_secret": {"accessKeyID": "holdfast-it", "secretAccessKey": "wrong"}}, 6, "StorageAccessDenied",
        ["SignatureDoesNotMatch"],
    ),
    "the store's host does not resolve": (
        {"s3": {"endpoint": "http://no-such-store.invalid:8333"}}, {}, 6, "StorageUnavailable",
        ["http://no-such-store.invalid:8333"],
    ),
    "there are no credentials for the store at all": (
        {"s3": {"secret_name": None}}, {}, 6, "StorageAccessDenied", ["credentials"],
    ),
}  # fmt: skip


# Each takes a quarter of a minute of trying; hosts and ports are tried on the cluster every time as well.
PATIENT = {"the host does not resolve", "the port refuses", "the store's host does not resolve"}


@pytest.mark.parametrize(
    ("task_changes", "pod_changes", "code", "reason", "says"),
    [
        pytest.param(*case, id=name, marks=[pytest.mark.matrix] if name in PATIENT else [])
        for name, case in CASES.items()
    ],
)
def test_bad_input_is_told_with_its_remedy(
    world: World, task_changes: dict[str, Any], pod_changes: dict[str, Any], code: int, reason: str, says: list[str]
) -> None:
    task = world.backup(**task_changes)
    result = world.pod(task, **pod_changes).run()
    assert_failed(result, code, reason, *says)
    assert "wrong" not in result.log.replace("wrong password", "")
    world.assert_nothing_left(task)


def test_a_dump_that_the_user_may_not_take_says_which_grant(world: World) -> None:
    world.db.create("guarded")
    world.db.sql("guarded", "create table secret_table as select 1 as one")
    task = world.backup("guarded")
    result = world.pod(task).run()
    assert_failed(result, 7, "DumpFailed", "secret_table", "permission denied")
    assert "GRANT" in result.failure.remedy
    world.assert_nothing_left(task)


def test_scratch_that_is_too_small_is_told_before_the_dump_with_both_numbers(world: World) -> None:
    task = world.backup(form="directory", scratch_bytes=1_000_000)
    result = world.pod(task).run()
    assert_failed(result, 2, "ScratchTooSmall", "1.0 MB (1000000 bytes)")
    assert "format sql or custom" in result.failure.remedy
    world.assert_nothing_left(task)


def test_a_disk_that_is_smaller_than_its_limit_says_is_seen(world: World) -> None:
    task = world.backup(form="directory", scratch_bytes=1 << 40)
    assert_failed(world.pod(task, scratch="1m").run(), 2, "ScratchTooSmall", "1.0 MB (1048576 bytes)")
    world.assert_nothing_left(task)


def test_scratch_that_fills_during_the_dump_ends_it_before_an_eviction_would(world: World) -> None:
    """A dump may be bigger than its database: text that compresses well is small on the server."""
    world.db.create("expands")
    world.db.sql("expands", "create table t as select repeat('x', 1000000) as x from generate_series(1, 60)", USER)
    task = world.backup("expands", "directory", scratch_bytes=20 << 20)
    assert_failed(world.pod(task).run(), 2, "ScratchTooSmall", "the dump has reached", "(20971520 bytes)")
    world.assert_nothing_left(task)


def test_a_task_that_cannot_be_read_is_told(world: World) -> None:
    task = world.backup()
    broken = task.model_copy(update={"kind": "bakcup"})
    result = world.pod(broken).run()
    assert_failed(result, 1, "InvalidTask", "bakcup")
