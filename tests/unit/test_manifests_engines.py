"""The Jobs of MySQL, MariaDB and SQLite: what is mounted, what the runner is told, what is pasted to restore."""

import pytest
from tests.builders import UID, a_begun_backup, a_policy, a_sqlite_policy, as_begun, settings

from holdfast.contract import paths, task
from holdfast.decide.resolve import resolve
from holdfast.manifests import jobs, methods
from holdfast.manifests.restore_dump import restore_command

OWNER = jobs.Owner("DatabaseBackup", "shop", "orders-1", UID, "orders")
SERVERS = ["mysql", "mariadb"]


def a_server_policy(engine, **connection):
    fields = {"host": "db", "secretName": "orders-db"} | connection
    return a_policy(database={"engine": engine, "name": "orders", "connection": fields})


def a_status(policy):
    return a_begun_backup().status.model_copy(update={"resolved": resolve(policy, settings())})


def a_job(policy):
    backup, status = a_begun_backup(), a_status(policy)
    runner = jobs.Runner("holdfast-runner:x", "IfNotPresent", {})
    work = methods.of(OWNER, as_begun(status)).backup(backup.spec, [])
    return jobs.backup_job("orders-1-backup-x", OWNER, 1, work, status.resolved, runner), work


def a_pod(policy):
    return a_job(policy)[0]["spec"]["template"]["spec"]


def a_restore(policy):
    return restore_command(OWNER, as_begun(a_status(policy)), jobs.Runner("holdfast-runner:x", "IfNotPresent", {}))


@pytest.mark.parametrize("engine", SERVERS)
def test_a_server_is_reached_with_its_secret_as_files_and_its_authority_where_one_is_named(engine):
    tls = {"mode": "verify-full", "caSecretName": "db-ca"}
    pod = a_pod(a_server_policy(engine, tls=tls))
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    assert mounts["database"] == paths.DATABASE_SECRET
    assert secrets["database"] == "orders-db"
    assert "db-ca" in secrets.values()
    assert not [volume for volume in pod["volumes"] if "persistentVolumeClaim" in volume]


@pytest.mark.parametrize("engine", SERVERS)
def test_the_task_names_engine_and_port_and_has_no_secret(engine):
    job, work = a_job(a_server_policy(engine, port=3307))
    assert (work.database.engine, work.database.reached().port, work.dump.format) == (engine, 3307, "sql")
    (environment, *_) = job["spec"]["template"]["spec"]["containers"][0]["env"]
    assert task.parse(environment["value"]) == work


@pytest.mark.parametrize("engine", SERVERS)
def test_a_script_needs_no_scratch_volume_for_itself(engine):
    _, work = a_job(a_server_policy(engine))
    assert work.scratch_bytes is None


@pytest.mark.parametrize("engine", SERVERS)
@pytest.mark.parametrize(("given", "shown"), [({}, "db:3306"), ({"port": 3307}, "db:3307")], ids=["default", "given"])
def test_what_is_pasted_to_restore_names_the_port_and_asks_the_engine_that_was_dumped(engine, given, shown):
    said = a_restore(a_server_policy(engine, **given))
    assert f'database "orders" on {shown}, which must exist and be empty' in said
    assert "TARGET_HOST, TARGET_PORT, TARGET_DATABASE or TARGET_SECRET" in said
    assert "TARGET_CLAIM" not in said
    assert f'\\"engine\\":\\"{engine}\\"' in said.replace("\\\\", "\\")
    assert "5432" not in said


def test_what_is_pasted_to_restore_a_file_names_claim_and_path():
    policy = a_sqlite_policy()
    volume = policy.database.volume
    said = a_restore(policy)
    assert f'file "{volume.path}" of claim {volume.claim_name}, which must not exist yet' in said
    assert "TARGET_CLAIM" in said
    assert "TARGET_PATH" in said
    assert "TARGET_HOST" not in said


def test_a_files_job_mounts_its_claim_and_no_secret_of_a_database_and_has_scratch_for_the_copy():
    job, work = a_job(a_sqlite_policy())
    pod = job["spec"]["template"]["spec"]
    claims = [each["persistentVolumeClaim"]["claimName"] for each in pod["volumes"] if "persistentVolumeClaim" in each]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert claims == [work.database.volume.claim_name]
    assert paths.VOLUME in mounts.values()
    assert paths.DATABASE_SECRET not in mounts.values()
    assert work.scratch_bytes is not None
    assert "fsGroup" not in pod["securityContext"]
