"""A backup of each form comes back whole: what was dumped is restored into an empty database and compared."""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pyrage
import pytest
from backports import zstd
from tests.integration.runner.pod import Pod
from tests.integration.runner.replacing import MADE, came, databases, replacing
from tests.integration.runner.servers import USER, Postgres, identifier
from tests.integration.runner.ways_back import (
    ELSEWHERE,
    IDENTITY,
    OTHER,
    RECIPIENTS,
    REPLACED,
    Way,
    cases,
    each_pair,
    product,
)
from tests.integration.runner.world import World, assert_failed
from tests.stack.fingerprint import differences

from holdfast.api.policy import Dump
from holdfast.contract.manifest import ManifestEncryption
from holdfast.contract.task import BackupTask

FORMS = {
    "sql": (".sql", "end of dump seen"),
    "custom": (".dump", "read through by pg_restore"),
    "directory": (".tar", "read through by pg_restore"),
}
ALGORITHMS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": (".gz", gzip.decompress),
    "zstd": (".zst", zstd.decompress),
    "none": ("", bytes),
}


@pytest.fixture(scope="module")
def elsewhere(world: World) -> Iterator[World]:
    """Another server."""
    server = Postgres(world.network, f"{world.network}-elsewhere")
    yield replace(world, db=server)
    server.remove()


@pytest.fixture(scope="module")
def stored(world: World) -> Callable[[Way], BackupTask]:
    """Back the sample up, once for all targets."""
    there: dict[tuple[str, str, bool], BackupTask] = {}

    def of(way: Way) -> BackupTask:
        key = (way.form, way.algorithm, way.encrypted)
        if key not in there:
            task = world.backup(form=way.form, algorithm=way.algorithm, recipients=way.recipients)
            pod = world.pod(task)
            world.assert_backed_up(task, pod.run())
            assert_stored(world, pod, task, way.encrypted)
            there[key] = task
        return there[key]

    return of


@pytest.mark.parametrize("way", cases(product([*FORMS]), each_pair([*FORMS])))
def test_a_backup_comes_back_with_equal_content(
    world: World, elsewhere: World, stored: Callable[[Way], BackupTask], way: Way
) -> None:
    task, name = stored(way), f"back {way}"
    there = elsewhere if way.target == ELSEWHERE else world
    there.db.create(name)
    if way.target == REPLACED:
        there.db.sql(name, MADE, USER)
        before = there.db.fingerprint(name)
        asked, arguments = replacing(there, task, name), []
    else:
        asked, arguments = there.restore(task, "shop"), [f"--target-database={name}"]

    result = there.pod(asked, arguments=arguments, age_identity=way.identity).run()

    report = came(result)
    assert result.report is not None
    assert f"into database {name!r}" in (result.report.message or "")
    assert str(IDENTITY) not in result.log + result.inspected
    assert differences(world.db.fingerprint("shop"), there.db.fingerprint(name)) == []
    if way.target == REPLACED:
        assert report.replaced is not None
        assert differences(before, there.db.fingerprint(report.replaced)) == []
    for database in databases(there, name):
        there.db.sql("postgres", f"drop database {identifier(database)}")


def assert_stored(world: World, pod: Pod, task: BackupTask, encrypted: bool) -> None:
    """What is in the bucket is what the manifest says, and anybody's age, gunzip or zstd reads it."""
    suffix, readable = FORMS[task.dump.format]
    packed, unpack = ALGORITHMS[task.dump.compression.algorithm]
    manifest = world.manifest(task)
    assert manifest.artifact.key == f"{task.key_prefix}{pod.uid}{suffix}{packed}{'.age' if encrypted else ''}"
    stored = world.store.read(manifest.artifact.key)
    assert hashlib.sha256(stored).hexdigest() == manifest.artifact.sha256
    assert len(stored) == manifest.artifact.size_bytes
    if encrypted:
        assert manifest.artifact.encryption == ManifestEncryption(method="age", recipients=RECIPIENTS)
        stored = pyrage.decrypt(stored, [OTHER])
    assert len(unpack(stored)) == manifest.artifact.uncompressed_bytes
    assert manifest.verification.file_readable == readable
    assert (manifest.expires_at - manifest.completed_at).days == task.backup.retention_days


@pytest.mark.parametrize(
    ("identity", "reason", "says"),
    [
        (None, "SecretMissing", "Secret age-identity"),
        ({"key.txt": str(pyrage.x25519.Identity.generate())}, "IdentityMismatch", RECIPIENTS[0]),
    ],
    ids=["no identity", "another's identity"],
)
def test_an_encrypted_backup_is_not_restored_without_an_identity_of_a_recipients(
    world: World, identity: dict[str, str] | None, reason: str, says: str
) -> None:
    task = world.backup(recipients=RECIPIENTS)
    world.assert_backed_up(task, world.pod(task).run())
    target = f"closed {reason}"
    world.db.create(target)
    before = world.db.fingerprint(target)
    restore = world.restore(task, target)
    assert_failed(world.pod(restore, age_identity=identity).run(), 1, reason, says)
    assert world.db.fingerprint(target) == before


def test_a_key_with_a_typing_error_fails_before_anything_is_dumped(world: World) -> None:
    task = world.backup(recipients=[f"{RECIPIENTS[0][:-4]}qqqq"])
    assert_failed(world.pod(task).run(), 1, "RecipientInvalid", RECIPIENTS[0][:-4])
    world.assert_nothing_left(task)


@pytest.mark.parametrize("level", [pytest.param("balanced", marks=pytest.mark.matrix), "small"])
@pytest.mark.parametrize("algorithm", ["gzip", pytest.param("zstd", marks=pytest.mark.matrix)])
def test_a_level_is_in_force_and_its_memory_stays_within_bounds(world: World, algorithm: str, level: str) -> None:
    dump = Dump.model_validate({"compression": {"algorithm": algorithm, "level": level}})
    task = world.backup(dump=dump)
    pod = world.pod(task, memory="160m")
    world.assert_backed_up(task, pod.run())
    fast = world.backup(algorithm=algorithm)
    world.assert_backed_up(fast, world.pod(fast).run())
    assert world.manifest(task).artifact.size_bytes < world.manifest(fast).artifact.size_bytes


def test_an_empty_database_comes_back_empty(world: World) -> None:
    world.db.create("empty")
    task = world.backup("empty", "custom")
    world.assert_backed_up(task, world.pod(task).run())
    before = world.db.fingerprint("empty")
    restored = world.pod(world.restore(task, "empty")).run()
    assert restored.exit_code == 0, restored.log
    assert differences(before, world.db.fingerprint("empty")) == []


def test_a_task_that_was_done_already_is_verified_and_reported_and_dumps_nothing(world: World) -> None:
    task = world.backup()
    first = world.pod(task).run()
    world.assert_backed_up(task, first)
    again = world.pod(task, database_secret=None).run()  # it does not even need the database any more
    world.assert_backed_up(task, again)
    assert first.report is not None
    assert again.report is not None
    assert first.report.backup is not None
    assert again.report.backup is not None
    assert again.report.backup.found
    assert again.report.backup.artifact_key == first.report.backup.artifact_key


def test_an_artifact_that_changed_is_not_found_to_be_the_backup(world: World) -> None:
    task = world.backup()
    world.assert_backed_up(task, world.pod(task).run())
    artifact = world.manifest(task).artifact
    world.alter(task)
    assert_failed(world.pod(task).run(), 5, "ChecksumMismatch", artifact.key)
    world.db.create("from changed")
    result = world.pod(world.restore(task, "from changed")).run()
    assert_failed(result, 5, "ChecksumMismatch", artifact.sha256)
    assert world.db.sql(
        "from changed", "select count(*) from pg_class where relnamespace = 'public'::regnamespace"
    ) == ("0\n")


def test_a_restore_refuses_a_database_that_is_not_empty(world: World) -> None:
    task = world.backup()
    world.assert_backed_up(task, world.pod(task).run())
    before = world.db.fingerprint("shop")
    assert_failed(world.pod(world.restore(task, "shop")).run(), 1, "TargetNotEmpty", "'shop'", "public.")
    assert world.db.fingerprint("shop") == before


def test_a_restore_of_what_is_not_there_says_so(world: World) -> None:
    world.db.create("waits in vain")
    task = world.backup()
    result = world.pod(world.restore(task, "waits in vain")).run()
    assert_failed(result, 6, "BackupNotFound", f"{task.key_prefix}manifest.json")


@pytest.mark.parametrize("form", ["sql", "custom"])
def test_a_restore_that_fails_half_way_says_why_and_leaves_the_target_as_it_was(world: World, form: str) -> None:
    """All tables and rows are there when an index asks for a function that answers otherwise on the target."""
    name = f"half way {form}"
    world.db.create(name)
    world.db.sql(
        name,
        """create table t as select n from generate_series(1, 1000) n;
        create function here(n int) returns int immutable language plpgsql as $$ begin
          if (select count(*) from public.t) < 1000 then raise exception 'the rows are not there'; end if;
          if current_database() not like 'half way%' then raise exception 'half-way, in %', current_database(); end if;
          return n;
        end $$;
        create index at on t (here(n))""",
        USER,
    )
    task = world.backup(name, form)
    world.assert_backed_up(task, world.pod(task).run())
    world.db.create(f"elsewhere {form}")
    result = world.pod(world.restore(task, f"elsewhere {form}")).run()
    assert_failed(result, 7, "RestoreFailed", "half-way, in elsewhere")
    assert world.db.sql(f"elsewhere {form}", "select to_regclass('t') is null, to_regproc('here') is null") == "t|t\n"


def test_the_log_has_progress_and_names_the_backup_in_every_line(world: World, big: str) -> None:
    task = world.backup(big)
    result = world.pod(task).run()
    world.assert_backed_up(task, result)
    for line in result.lines:
        assert (line["backupID"], line["namespace"], line["name"]) == (task.backup.backup_id, "shop", "orders-1")
    progress = [line for line in result.lines if line["event"] == "progress"]
    assert progress, json.dumps(result.lines)
    assert {"phase", "bytes", "uncompressedBytes", "rate", "estimatedTotal"} <= progress[-1].keys()
    counts = [line["uncompressedBytes"] for line in progress]
    assert counts == sorted(counts)
    assert [line["phase"] for line in result.lines if line["event"] == "step"] == [
        "validating", "dumping", "verifying", "recording",
    ]  # fmt: skip
