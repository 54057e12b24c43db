"""The models: the same words, limits and defaults as the definitions, where no API server has judged an object."""

import copy

import pytest
from pydantic import ValidationError

from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus, Phase
from holdfast.api.policy import BackupPolicySpec, Environment
from holdfast.api.schema import filled, structural

SMALLEST = {
    "environment": "dev",
    "database": {"engine": "postgresql", "name": "orders", "connection": {"secretName": "orders-db"}},
}


def a_policy(path, value):
    """The smallest policy, with one field set by its dotted path."""
    policy = copy.deepcopy(SMALLEST)
    *parents, last = path.split(".")
    node = policy
    for name in parents:
        node = node.setdefault(name, {})
    node[last] = value
    return policy


@pytest.mark.parametrize(("environment", "days"), [("dev", 30), ("staging", 60), ("production", 90)], ids=str)
def test_an_environment_gives_its_default_retention(environment, days):
    assert Environment(environment).retention_days == days


@pytest.mark.parametrize("phase", Phase)
def test_a_backup_ends_succeeded_or_failed_and_no_other_way(phase):
    assert phase.is_final == (phase in {Phase.SUCCEEDED, Phase.FAILED, Phase.EXPIRED})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("environment", "prod"),
        ("database.engine", "postgres"),
        ("database.name", "a\x00b"),
        ("database.connection.host", "orders-db:5432"),
        ("database.connection.host", "postgresql://orders-db"),
        ("database.connection.host", "one,two"),
        ("database.connection.port", 0),
        ("database.connection.secretName", "Orders_DB"),
        ("database.connection.password", "hunter2"),
        ("dump.jobs", 65),
        ("dump.compression.level", "best"),
        ("storage.s3.serverSideEncryption.algorithm", "AES128"),
        ("storage.s3.storageClass", "standard"),
        ("storage.s3.tags.team", "größe"),
        ("storage.s3.objectLock.mode", "COMPLIANCE"),
        ("storage.s3.checksums", "crc32"),
        ("storage.encryption.age.recipients", []),
        ("storage.encryption.age.recipients", ["ssh-ed25519 AAAA"]),
        ("storage.s3.bucket", "s3://backups"),
        ("storage.s3.endpoint", "s3:8333"),
        ("storage.s3.endpoint", "https://key:secret@s3.example.com"),
        ("retention.days", -1),
        ("retention.keepLast", 0),
        ("retention.keepDaily", 10_001),
        ("retention.keepYearly", 1001),
        ("retention.minimum", 0),
        ("retention.maxDeletionsPerSweep", 0),
        ("retention.mode", "Lifecycle"),
        ("retention.keepTagged", 3),
        ("job.resources", {"limits": {"memory": "-1Gi"}}),
        ("job.image", "mine"),
        ("objectives", {"rpo": "26h"}),
    ],
    ids=lambda value: str(value).replace("\x00", "NUL"),
)
def test_a_wrong_field_is_refused_by_name(path, value):
    with pytest.raises(ValidationError) as raised:
        BackupPolicySpec.model_validate(a_policy(path, value))
    assert ".".join(map(str, raised.value.errors()[0]["loc"])).startswith(path)


@pytest.mark.parametrize(
    "host", ["orders-db", "orders-db.shop.svc", "10.0.0.1", "::1", "fe80::1%eth0", "2001:db8::8a2e:370:7334", "döner"]
)
def test_a_host_is_a_name_or_an_address(host):
    spec = BackupPolicySpec.model_validate(a_policy("database.connection.host", host))
    assert spec.database.connection.host == host


@pytest.mark.parametrize("name", ["Orders 2", "$(HOME)", "a'b\"c", "ünïcode", "-rf", "a%b&c\\d"])
def test_a_database_may_have_any_name_that_postgresql_allows(name):
    assert BackupPolicySpec.model_validate(a_policy("database.name", name)).database.name == name


@pytest.mark.parametrize(
    ("path", "value"),
    [("environment", "dev"), ("dump.format", "custom"), ("database.connection.tls.mode", "require"),
     ("job.scratch", {}), ("storage.s3.secretKeys", {"accessKeyID": "id"})],
    ids=["smallest", "half a dump", "half a tls", "empty scratch", "one key"],
)  # fmt: skip
def test_the_server_completes_an_object_just_as_the_models_do(path, value):
    """What the operator makes of an object is the same, whether or not the API server has filled it in."""
    given = a_policy(path, value)
    stored = filled(structural(BackupPolicySpec), given)
    assert BackupPolicySpec.model_validate(stored) == BackupPolicySpec.model_validate(given)
    assert BackupPolicySpec.model_validate(given).to_dict() == {"storage": {"s3": {}}, "job": {}} | stored


def test_what_is_written_is_read_back_as_it_was():
    spec = DatabaseBackupSpec.model_validate({"policy": a_policy("storage.s3.bucket", "backups"), "label": "before-v2"})
    assert DatabaseBackupSpec.model_validate(spec.to_dict()) == spec


def test_a_status_of_a_newer_version_is_still_read():
    status = DatabaseBackupStatus.model_validate({"phase": "Succeeded", "drilledAt": "2027-01-01T00:00:00Z"})
    assert status.phase is Phase.SUCCEEDED
