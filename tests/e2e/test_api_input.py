"""What the API server itself answers to a resource: a wrong one is refused in a sentence that names the field.

Nothing but the definitions is needed for these; no operator runs, or it does not matter.
"""

import copy
import json
import re

import pytest
from tests.e2e.kubectl import KubectlError

pytestmark = pytest.mark.usefixtures("crds")

POLICY_SPEC = {
    "environment": "dev",
    "database": {
        "engine": "postgresql",
        "name": "orders",
        "connection": {"host": "orders-db", "secretName": "orders-db"},
    },
    "storage": {"s3": {"bucket": "backups", "endpoint": "https://s3:8333", "secretName": "s3"}},
}
TO_ALICE = {"age": {"recipients": ["age1zd5883cj64l8849f66m3724fpavwzaq3pau92lr5fvsgwauxt9lq4px9ek"]}}
INSTANCE = {"identifier": "orders", "region": "eu-central-1"}
REMOVED = object()
DBB = "databasebackups.holdfast.dev"  # in full: other definitions with the same short name may be there
NAME_40, NAME_63 = "a" * 40, "b" * 63


def changed(base, changes):
    """A copy of an object with the fields at these paths set, or removed."""
    result = copy.deepcopy(base)
    for path, value in changes.items():
        *parents, last = path.split("/")
        node = result
        for name in parents:
            node = node.setdefault(name, {})
        node[last] = value
        if value is REMOVED:
            del node[last]
    return result


def a_resource(kind, spec, name="orders"):
    return {"apiVersion": "holdfast.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def a_policy(changes=None, name="orders"):
    return a_resource("BackupPolicy", changed(POLICY_SPEC, changes or {}), name)


def a_backup(changes=None, name="orders"):
    return a_resource("DatabaseBackup", changed({"policyRef": {"name": "orders"}}, changes or {}), name)


def said(refusal):
    """What kubectl said, without the value that it quotes between the field and the sentence."""
    return re.sub(r'Invalid value: (".*?"|\{.*?\}|null|-?\d+): ', "", str(refusal.value))


DNS_NAME = "must be the name of an object in Kubernetes: lower-case letters, digits, '-' and '.'"
SIZE = "must be a size from 1Mi to 1Ei: 512Mi, 10Gi (500m would be half a byte)"
QUANTITY = "must be a Kubernetes quantity of zero or more: 500m, 2, 512Mi, 10Gi"
HOST = "must be one host name or address, without a scheme, port or path: orders-db.shop.svc"
URL = "must be a URL without credentials: https://s3.example.com:8333"
OF_NO_POLICY = (
    "has no effect in a backup without a BackupPolicy, which Holdfast does not delete by itself: leave it out"
)
OTHER_RULES = {
    "keepLast": 3, "keepHourly": 3, "keepDaily": 7, "keepWeekly": 4, "keepMonthly": 12, "keepYearly": 2, "minimum": 3,
    "dryRun": True, "maxDeletionsPerSweep": 5,
}  # fmt: skip
BY_THE_BUCKET = "has no effect when mode is External, since the bucket deletes by age alone: leave it out"
RECIPIENT = "must be a public key of age, as age-keygen prints it: age1 and 58 lower-case letters and digits"
CRON = (
    "must be five fields with one space between (minute, hour, day of month, month, day of week), or @hourly, @daily, "
    "@weekly, @monthly or @yearly: 0 2 * * *"
)
TLS = "spec.database.connection.tls.caSecretName: "
SQLITE = {
    "database/engine": "sqlite",
    "database/connection": REMOVED,
    "database/volume/claimName": "data",
    "database/volume/path": "a.db",
}
NEEDS_CONNECTION = "set connection for every engine except sqlite; for sqlite, set volume instead"
NEEDS_VOLUME = "set volume for engine sqlite, and for no other engine"
WITHIN = "path must be relative to the claim's root, without empty parts, '.' or '..': data/orders.db"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
NODE_TERM = f"spec.job.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0]"
TOLERATION = "spec.job.tolerations[0]"

WRONG_POLICIES = {
    "no environment": ({"environment": REMOVED}, "spec.environment: Required value"),
    "unknown environment": (
        {"environment": "prod"},
        'spec.environment: Unsupported value: "prod": supported values: "dev", "staging", "production"',
    ),
    "unknown method": (
        {"method": "rds"},
        'spec.method: Unsupported value: "rds": supported values: "dump", "aws-rds"',
    ),
    "snapshot of no instance": (
        {"method": "aws-rds"},
        "spec.database.instance: Required value: database.instance is required when method is aws-rds",
    ),
    "instance without its method": (
        {"database": {"instance": INSTANCE}},
        "spec.database.instance: database.instance has no effect unless method is aws-rds: set method, or leave it out",
    ),
    "instance beside a connection": (
        {"method": "aws-rds", "database/instance": INSTANCE},
        (
            "spec.database.connection: connection has no effect beside instance, since RDS takes a snapshot of the "
            "whole instance: leave it out"
        ),
    ),
    "dump of a snapshot": (
        {"method": "aws-rds", "database": {"instance": INSTANCE}, "dump": {"format": "sql"}},
        "spec.dump: dump has no effect when method is aws-rds: leave it out",
    ),
    "encryption of a snapshot": (
        {"method": "aws-rds", "database": {"instance": INSTANCE}, "storage/encryption": TO_ALICE},
        (
            "spec.storage.encryption: storage.encryption has no effect when method is aws-rds, since AWS keeps the "
            "snapshot: leave it out"
        ),
    ),
    "readback of a snapshot": (
        {"method": "aws-rds", "database": {"instance": INSTANCE}, "verification": {"level": "readback"}},
        (
            "spec.verification.level: verification.level readback has no effect when method is aws-rds, since a "
            "snapshot cannot be read: leave it out"
        ),
    ),
    "identity for a snapshot": (
        {"method": "aws-rds", "database": {"instance": INSTANCE}, "verification": {"identitySecretName": "keys"}},
        (
            "spec.verification.identitySecretName: verification.identitySecretName has no effect when method is "
            "aws-rds, since a snapshot cannot be read: leave it out"
        ),
    ),
    "cron of six fields": ({"schedule": {"cron": "0 0 2 * * *"}}, f"spec.schedule.cron: {CRON}"),
    "cron with an hour that no day has": ({"schedule": {"cron": "0 24 * * *"}}, f"spec.schedule.cron: {CRON}"),
    "cron of a word that is no time": ({"schedule": {"cron": "@reboot"}}, f"spec.schedule.cron: {CRON}"),
    "cron with a zone of its own": ({"schedule": {"cron": "TZ=UTC 0 2 * * *"}}, f"spec.schedule.cron: {CRON}"),
    "no cron": ({"schedule": {"timeZone": "UTC"}}, "spec.schedule.cron: Required value"),
    "time zone of the host": (
        {"schedule": {"cron": "@daily", "timeZone": "localtime"}},
        "spec.schedule.timeZone: must be a name of the IANA time zone database: Europe/Berlin, UTC",
    ),
    "what no schedule does while the last one runs": (
        {"schedule": {"cron": "@daily", "concurrencyPolicy": "Cancel"}},
        'spec.schedule.concurrencyPolicy: Unsupported value: "Cancel": supported values: "Forbid", "Allow", "Replace"',
    ),
    "jitter below zero": (
        {"schedule": {"cron": "@daily", "jitterSeconds": -1}},
        "spec.schedule.jitterSeconds: spec.schedule.jitterSeconds in body should be greater than or equal to 0",
    ),
    "unknown level of verification": (
        {"verification": {"level": "full"}},
        'spec.verification.level: Unsupported value: "full": supported values: "checksum", "readback"',
    ),
    "scratch of a snapshot": (
        {"method": "aws-rds", "database": {"instance": INSTANCE}, "job": {"scratch": {"sizeLimit": "1Gi"}}},
        "spec.job.scratch: job.scratch has no effect when method is aws-rds: leave it out",
    ),
    "identifier that RDS would not take": (
        {"method": "aws-rds", "database": {"instance": {**INSTANCE, "identifier": "orders--1"}}},
        "spec.database.instance.identifier: must be the identifier of an RDS instance or cluster",
    ),
    "no region": (
        {"method": "aws-rds", "database": {"instance": {**INSTANCE, "region": "Frankfurt"}}},
        "spec.database.instance.region: must be the name of an AWS region: eu-central-1",
    ),
    "copy to the same region": (
        {"method": "aws-rds", "database": {"instance": {**INSTANCE, "copyTo": {"region": "eu-central-1"}}}},
        "spec.database.instance.copyTo.region: copyTo.region must differ from the instance's own region",
    ),
    "keys of no secret": (
        {"method": "aws-rds", "database": {"instance": {**INSTANCE, "secretKeys": {"accessKeyID": "id"}}}},
        "spec.database.instance.secretKeys: secretKeys has no effect without secretName",
    ),
    "no engine": ({"database/engine": REMOVED}, "spec.database.engine: Required value: engine is required"),
    "unknown engine": (
        {"database/engine": "postgres"},
        (
            'spec.database.engine: Unsupported value: "postgres": '
            'supported values: "postgresql", "mysql", "mariadb", "sqlite"'
        ),
    ),
    "no connection": ({"database/connection": REMOVED}, f"spec.database.connection: {NEEDS_CONNECTION}"),
    "a volume beside a server": (
        {"database/volume": {"claimName": "data", "path": "a.db"}},
        f"spec.database.volume: {NEEDS_VOLUME}",
    ),
    "sqlite without a volume": (
        {"database/engine": "sqlite", "database/connection": REMOVED},
        f"spec.database.volume: {NEEDS_VOLUME}",
    ),
    "sqlite with a connection": (
        SQLITE | {"database/connection": {"secretName": "s"}},
        f"spec.database.connection: {NEEDS_CONNECTION}",
    ),
    "a path out of the claim": (
        SQLITE | {"database/volume/path": "a/../../b"},
        f"spec.database.volume.path: {WITHIN}",
    ),
    "an absolute path": (SQLITE | {"database/volume/path": "/a.db"}, f"spec.database.volume.path: {WITHIN}"),
    "a file of root's": (
        SQLITE | {"database/volume/runAsUser": 0},
        "spec.database.volume.runAsUser: spec.database.volume.runAsUser in body should be greater than or equal to 1",
    ),
    "a server's format for sqlite": (
        SQLITE | {"dump/format": "custom"},
        "spec.dump.format: the only format of engine sqlite is its own file: leave format out",
    ),
    "roles of sqlite": (
        SQLITE | {"dump": {"globals": True}},
        "spec.dump.globals: globals is not for engine sqlite: leave it out",
    ),
    "sqlite's format for a server": (
        {"dump/format": "sqlite"},
        "spec.dump.format: format sqlite is only for engine sqlite: use sql, custom or directory",
    ),
    "no secret": (
        {"database/connection/secretName": REMOVED},
        "spec.database.connection.secretName: Required value",
    ),
    "secret of another namespace": (
        {"database/connection/secretName": "other/orders-db"},
        f"spec.database.connection.secretName: {DNS_NAME}",
    ),
    "empty database name": (
        {"database/name": ""},
        "spec.database.name: spec.database.name in body should be at least 1 chars long",
    ),
    "database name of 65": ({"database/name": "n" * 65}, "spec.database.name: Too long: may not be more than 64 bytes"),
    "PostgreSQL database name of 64": (
        {"database/name": "n" * 64},
        "spec.database.name: the name of a PostgreSQL database has at most 63 characters",
    ),
    "verify-ca with mariadb": (
        {"database/engine": "mariadb", "database/connection/tls": {"mode": "verify-ca", "caSecretName": "ca"}},
        (
            "spec.database.connection.tls.mode: engine mariadb has no verify-ca, since MariaDB's client checks "
            "certificate and host name together: use verify-full"
        ),
    ),
    "custom with mysql": (
        {"database/engine": "mysql", "dump": {"format": "custom"}},
        "spec.dump.format: only postgresql has the formats custom and directory: use sql",
    ),
    "two authorities of a server": (
        {"database/connection/tls": {"mode": "verify-full", "caSecretName": "ca", "caConfigMapName": "ca"}},
        "tls.caConfigMapName: the CA certificate is in a Secret or in a ConfigMap: leave out caSecretName or caConfig",
    ),
    "two authorities of a store": (
        {"storage/s3/caSecretName": "ca", "storage/s3/caConfigMapName": "ca"},
        (
            "s3.caConfigMapName: the CA certificate is in a Secret or in a ConfigMap: leave out caSecretName or "
            "caConfigMapName"
        ),
    ),
    "a bucket beside a store": (
        {"storage/store": "eu"},
        (
            "spec.storage.store: a store of the chart says bucket, region, endpoint, addressingStyle, caSecretName, "
            "caSecretKey, caConfigMapName, caConfigMapKey and checksums itself: leave these out of s3, or leave out "
            "store"
        ),
    ),
    "a store that is no key": (
        {"storage": {"store": "EU/1"}},
        "spec.storage.store: must be the key of a store: at most 63 lower-case letters, digits and '-'",
    ),
    "an authority in a ConfigMap that nobody asks": (
        {"database/connection/tls": {"caConfigMapName": "ca"}},
        "tls.caConfigMapName: caConfigMapName has no effect unless mode is verify-ca or verify-full: set mode",
    ),
    "a priority of Kubernetes' own": (
        {"job": {"priorityClassName": "system-node-critical"}},
        "spec.job.priorityClassName: the PriorityClasses system-... are Kubernetes' own: use another one",
    ),
    "an annotation that unconfines": (
        {"job": {"podAnnotations": {"container.apparmor.security.beta.kubernetes.io/runner": "unconfined"}}},
        "spec.job.podAnnotations: Kubernetes' own annotations are refused, except those that cannot weaken how",
    ),
    "a node's label in nothing": (
        {
            "job": {
                "affinity": {
                    "nodeAffinity": {
                        REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In"}]}]}
                    }
                }
            }
        },
        f"{NODE_TERM}.matchExpressions[0].values: In and NotIn need values, Exists and DoesNotExist take none",
    ),
    "a node above some text": (
        {
            "job": {
                "affinity": {
                    "nodeAffinity": {
                        REQUIRED: {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "cpus", "operator": "Gt", "values": ["many"]}]}
                            ]
                        }
                    }
                }
            }
        },
        f"{NODE_TERM}.matchExpressions[0].values: In and NotIn need values, Exists and DoesNotExist take none",
    ),
    "spread over no key": (
        {
            "job": {
                "topologySpreadConstraints": [
                    {
                        "maxSkew": 1,
                        "topologyKey": "a b",
                        "whenUnsatisfiable": "ScheduleAnyway",
                        "labelSelector": {"matchLabels": {"a": "b"}},
                    }
                ]
            }
        },
        "spec.job.topologySpreadConstraints[0].topologyKey: must be the key of a label",
    ),
    "jobs of a plain dump": (
        {"dump": {"jobs": 2}},
        "spec.dump.jobs: jobs has no effect unless format is directory: set format, or leave it out",
    ),
    "database name with NUL": ({"database/name": "a\0b"}, "spec.database.name: must not contain a NUL character"),
    "host with a port": ({"database/connection/host": "orders-db:5432"}, f"spec.database.connection.host: {HOST}"),
    "host as a URL": ({"database/connection/host": "postgresql://db"}, f"spec.database.connection.host: {HOST}"),
    "port 0": (
        {"database/connection/port": 0},
        "spec.database.connection.port: spec.database.connection.port in body should be greater than or equal to 1",
    ),
    "port as text": (
        {"database/connection/port": "5432"},
        'spec.database.connection.port: spec.database.connection.port in body must be of type integer: "string"',
    ),
    "key of a secret with a slash": (
        {"database/connection/secretKeys": {"password": "a/b"}},
        (
            "spec.database.connection.secretKeys.password: must be a key as a Secret has it: letters, digits, '-', '_' "
            "and '.'"
        ),
    ),
    "unknown tls mode": (
        {"database/connection/tls": {"mode": "on"}},
        (
            'spec.database.connection.tls.mode: Unsupported value: "on": supported values: "disable", "prefer", '
            '"require", "verify-ca", "verify-full"'
        ),
    ),
    "verify-full without a CA": (
        {"database/connection/tls": {"mode": "verify-full"}},
        f"{TLS}Required value: caSecretName or caConfigMapName is required when mode is verify-ca or verify-full",
    ),
    "a CA that nothing reads": (
        {"database/connection/tls": {"caSecretName": "ca"}},
        f"{TLS}caSecretName has no effect unless mode is verify-ca or verify-full: set mode, or leave it out",
    ),
    "unknown format": (
        {"dump": {"format": "tar"}},
        'spec.dump.format: Unsupported value: "tar": supported values: "sql", "custom", "directory"',
    ),
    "unknown compression": (
        {"dump": {"compression": {"algorithm": "xz"}}},
        'spec.dump.compression.algorithm: Unsupported value: "xz": supported values: "gzip", "zstd", "none"',
    ),
    "a level of nothing": (
        {"dump": {"compression": {"algorithm": "none", "level": "fast"}}},
        "spec.dump.compression.level: level has no effect if algorithm is none: leave it out",
    ),
    "a KMS key that nothing uses": (
        {"storage/s3/serverSideEncryption": {"algorithm": "AES256", "kmsKeyID": "k"}},
        (
            "spec.storage.s3.serverSideEncryption.kmsKeyID: kmsKeyID has no effect unless the algorithm is aws:kms: "
            "set algorithm, or leave it out"
        ),
    ),
    "a class that cannot be read at once": (
        {"storage/s3/storageClass": "DEEP_ARCHIVE"},
        (
            "spec.storage.s3.storageClass: objects in GLACIER and DEEP_ARCHIVE cannot be read at once, so a backup "
            "there could not be verified: use GLACIER_IR, or a lifecycle rule"
        ),
    ),
    "a tag with an umlaut": (
        {"storage/s3/tags": {"größe": "1"}},
        "spec.storage.s3.tags: the key of a tag must have 1 to 128 letters, digits, spaces and any of + - = . _ : / @",
    ),
    "a secret key as a recipient": (
        {"storage/encryption": {"age": {"recipients": ["AGE-SECRET-KEY-1" + "Q" * 46]}}},
        f"spec.storage.encryption.age.recipients[0]: {RECIPIENT}",
    ),
    "no recipient": (
        {"storage/encryption": {"age": {"recipients": []}}},
        (
            "spec.storage.encryption.age.recipients: spec.storage.encryption.age.recipients in body should have at "
            "least 1 items"
        ),
    ),
    "65 jobs": (
        {"dump": {"format": "directory", "jobs": 65}},
        "spec.dump.jobs: spec.dump.jobs in body should be less than or equal to 64",
    ),
    "bucket as a URL": (
        {"storage/s3/bucket": "s3://backups"},
        (
            "spec.storage.s3.bucket: must be the name of a bucket: 3 to 63 lower-case letters, digits, '-' and '.', "
            "without s3:// and without a folder (set prefix for that)"
        ),
    ),
    "bucket with two dots": ({"storage/s3/bucket": "a..b"}, "spec.storage.s3.bucket: bucket must not contain '..'"),
    "prefix that climbs": (
        {"storage/s3/prefix": "../other"},
        "spec.storage.s3.prefix: prefix must not have the parts '.' or '..': keys in a bucket are not file paths",
    ),
    "prefix with an empty part": (
        {"storage/s3/prefix": "eu//db"},
        "spec.storage.s3.prefix: prefix must not have empty parts: eu/db instead of eu//db",
    ),
    "prefix with a space": (
        {"storage/s3/prefix": "my backups"},
        "spec.storage.s3.prefix: must be a folder in the bucket: letters, digits, '/' and any of ! - _ . * ' ( ) =",
    ),
    "endpoint without a scheme": ({"storage/s3/endpoint": "s3:8333"}, f"spec.storage.s3.endpoint: {URL}"),
    "credentials in the endpoint": (
        {"storage/s3/endpoint": "https://key:secret@s3"},
        f"spec.storage.s3.endpoint: {URL}",
    ),
    "a CA for plain http": (
        {"storage/s3/endpoint": "http://s3:8333", "storage/s3/caSecretName": "ca"},
        (
            "spec.storage.s3.caSecretName: caSecretName has no effect on an http:// endpoint: use https://, or leave "
            "it out"
        ),
    ),
    "unknown addressing style": (
        {"storage/s3/addressingStyle": "host"},
        'spec.storage.s3.addressingStyle: Unsupported value: "host": supported values: "auto", "path", "virtual"',
    ),
    "retention of 0 days and no other rule": (
        {"retention": {"days": 0}},
        "spec.retention.days: days 0 keeps no backup by its age: set another rule as well, e.g. keepLast",
    ),
    "retention of a negative number of days": (
        {"retention": {"days": -1}},
        "spec.retention.days: spec.retention.days in body should be greater than or equal to 0",
    ),
    **{
        f"{rule} where the bucket deletes": (
            {"retention": {"mode": "External", rule: value}},
            f"spec.retention.{rule}: {rule} {BY_THE_BUCKET}",
        )
        for rule, value in OTHER_RULES.items()
    },
    "a floor of none": (
        {"retention": {"minimum": 0}},
        "spec.retention.minimum: spec.retention.minimum in body should be greater than or equal to 1",
    ),
    "an unknown resource": (
        {"job": {"resources": {"limits": {"nvidia.com/gpu": 1}}}},
        "spec.job.resources.limits: only cpu, memory and ephemeral-storage can be set",
    ),
    "a resource that is no quantity": (
        {"job": {"resources": {"limits": {"memory": "lots"}}}},
        f"spec.job.resources.limits[memory]: {QUANTITY}",
    ),
    "a negative resource": (
        {"job": {"resources": {"requests": {"cpu": -1}}}},
        f"spec.job.resources.requests[cpu]: {QUANTITY}",
    ),
    "a request above its limit": (
        {"job": {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}}},
        "spec.job.resources.requests: a request must not be above its limit",
    ),
    "scratch of no size": ({"job": {"scratch": {"sizeLimit": "big"}}}, f"spec.job.scratch.sizeLimit: {SIZE}"),
    "scratch of half a byte": ({"job": {"scratch": {"sizeLimit": "500m"}}}, f"spec.job.scratch.sizeLimit: {SIZE}"),
    "scratch of bytes": ({"job": {"scratch": {"sizeLimit": 10}}}, f"spec.job.scratch.sizeLimit: {SIZE}"),
    "storage of half a byte": (
        {"job": {"resources": {"limits": {"ephemeral-storage": "500m"}}}},
        f"spec.job.resources.limits: each of memory and ephemeral-storage {SIZE}",
    ),
    "memory in bytes where Mi was meant": (
        {"job": {"resources": {"limits": {"memory": 512}}}},
        f"spec.job.resources.limits: each of memory and ephemeral-storage {SIZE}",
    ),
    "an astronomic size": (
        {"job": {"resources": {"limits": {"ephemeral-storage": "1e999999"}}}},
        f"spec.job.resources.limits[ephemeral-storage]: {QUANTITY}",
    ),
    "an astronomic request": (
        {"job": {"resources": {"requests": {"memory": "2Ei"}}}},
        f"spec.job.resources.requests: each of memory and ephemeral-storage {SIZE}",
    ),
    "processors in Mi": (
        {"job": {"resources": {"requests": {"cpu": "2Mi"}}}},
        "spec.job.resources.requests: cpu must be a number of processors: 500m, 2, 1.5",
    ),
    "toleration with a needless value": (
        {"job": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}},
        f"{TOLERATION}.value: value must be left out when operator is Exists",
    ),
    "toleration of nothing": (
        {"job": {"tolerations": [{"effect": "NoSchedule"}]}},
        f"{TOLERATION}.operator: operator must be Exists when key is left out",
    ),
    "toleration for a time without NoExecute": (
        {"job": {"tolerations": [{"key": "a", "tolerationSeconds": 5}]}},
        f"{TOLERATION}.tolerationSeconds: tolerationSeconds needs effect NoExecute",
    ),
    "a label of Holdfast's own": (
        {"job": {"podLabels": {"holdfast.dev/backup-uid": "stolen"}}},
        "spec.job.podLabels: Holdfast or the Job sets these labels itself",
    ),
    "a label that is none": (
        {"job": {"podLabels": {"a/b/c": "d"}}},
        "spec.job.podLabels: the key of a label is a name of at most 63 letters, digits, '-', '_' and '.'",
    ),
    "a label's value that is none": (
        {"job": {"podLabels": {"team": "the shop"}}},
        "spec.job.podLabels[team]: must be the value of a label: at most 63 letters, digits, '-', '_' and '.'",
    ),
    "17 annotations": (
        {"job": {"podAnnotations": {f"a{number}": "" for number in range(17)}}},
        "spec.job.podAnnotations: Too many: 17: must have at most 16 items",
    ),
    "no time to start": (
        {"job": {"startTimeoutSeconds": 0}},
        "spec.job.startTimeoutSeconds: spec.job.startTimeoutSeconds in body should be greater than or equal to 10",
    ),
    "a field of later": ({"drills": {"cron": "0 2 * * *"}}, 'strict decoding error: unknown field "spec.drills"'),
    "an image": ({"job": {"image": "mine"}}, 'strict decoding error: unknown field "spec.job.image"'),
    "a namespace in a reference": (
        {"storage/s3/secretNamespace": "other"},
        'strict decoding error: unknown field "spec.storage.s3.secretNamespace"',
    ),
}

SNAPSHOT = {"method": "aws-rds", "database": {"instance": INSTANCE}}
BESIDE = "has no effect beside instance, since RDS takes a snapshot of the whole instance: leave it out"
OWN_LABELS = ("holdfast.dev/a", "batch.kubernetes.io/a", "app.kubernetes.io/managed-by", "app.kubernetes.io/component")
WRONG_POLICIES |= {
    "no engine, with the method of a dump": (
        {"database/engine": REMOVED},
        "spec.database.engine: Required value: engine is required, unless method is aws-rds",
    ),
    "no name": (
        {"database/name": REMOVED},
        "spec.database.name: Required value: name is required, unless method is aws-rds",
    ),
    "engine beside an instance": (
        SNAPSHOT | {"database/engine": "postgresql"},
        f"spec.database.engine: engine {BESIDE}",
    ),
    "name beside an instance": (SNAPSHOT | {"database/name": "orders"}, f"spec.database.name: name {BESIDE}"),
    "volume beside an instance": (
        SNAPSHOT | {"database/volume": {"claimName": "data", "path": "a.db"}},
        f"spec.database.volume: volume {BESIDE}",
    ),
    "identifier with a space": (
        {"method": "aws-rds", "database": {"instance": INSTANCE | {"identifier": "my orders"}}},
        (
            "spec.database.instance.identifier: must be the identifier of an RDS instance or cluster: letters, digits "
            "and single '-', a letter first"
        ),
    ),
    "an endpoint with credentials": (
        {"method": "aws-rds", "database": {"instance": INSTANCE | {"endpoint": "https://a:b@rds"}}},
        "spec.database.instance.endpoint: must be a URL",
    ),
    "a user's name with a line break": (
        {"database/connection/username": "me\nyou"},
        "spec.database.connection.username: must not contain control characters",
    ),
    "a KMS key with a space": (
        {"storage/s3/serverSideEncryption": {"algorithm": "aws:kms", "kmsKeyID": "my key"}},
        "spec.storage.s3.serverSideEncryption.kmsKeyID: must be the id, ARN or alias of a key, without spaces",
    ),
    "a class in other words": (
        {"storage/s3/storageClass": "Standard-IA"},
        "spec.storage.s3.storageClass: must be a storage class in the store's own words: STANDARD_IA",
    ),
    "the other class that cannot be read at once": (
        {"storage/s3/storageClass": "GLACIER"},
        "spec.storage.s3.storageClass: objects in GLACIER and DEEP_ARCHIVE cannot be read at once",
    ),
    "a tag's value with an umlaut": (
        {"storage/s3/tags": {"size": "groß"}},
        "spec.storage.s3.tags[size]: the value of a tag may have letters, digits, spaces and any of + - = . _ : / @",
    ),
    "a node selector that is none": (
        {"job": {"nodeSelector": {"a/b/c": "d"}}},
        (
            "spec.job.nodeSelector: the key of a label is a name of at most 63 letters, digits, '-', '_' and '.', with "
            "or without a DNS prefix and '/': team, example.com/team"
        ),
    ),
    "a CA in a ConfigMap that nothing reads": (
        {"database/connection/tls": {"caConfigMapName": "ca"}},
        (
            f"{TLS.removesuffix('caSecretName: ')}caConfigMapName: caConfigMapName has no effect unless mode is "
            "verify-ca or verify-full: set mode, or leave it out"
        ),
    ),
    "a CA in a ConfigMap for plain http": (
        {"storage/s3/endpoint": "http://s3:8333", "storage/s3/caConfigMapName": "ca"},
        (
            "spec.storage.s3.caConfigMapName: caConfigMapName has no effect on an http:// endpoint: use https://, or "
            "leave it out"
        ),
    ),
    "a region with a space": (
        {"storage/s3/region": "eu central"},
        "spec.storage.s3.region: must be the name of a region: letters, digits and '-': eu-central-1",
    ),
    "a copy's key with a space": (
        {
            "method": "aws-rds",
            "database": {"instance": INSTANCE | {"copyTo": {"region": "eu-west-1", "kmsKeyID": "my key"}}},
        },
        ("spec.database.instance.copyTo.kmsKeyID: must be the id, the ARN or the alias of a KMS key: alias/backups"),
    ),
    "a priority with a space": (
        {"job": {"priorityClassName": "very high"}},
        ("spec.job.priorityClassName: must be the name of a PriorityClass: lower-case letters, digits, '-' and '.'"),
    ),
    "an annotation that is none": (
        {"job": {"podAnnotations": {"a/b/c": "d"}}},
        (
            "spec.job.podAnnotations: the key of an annotation is a name of at most 63 letters, digits, '-', '_' and "
            "'.', with or without a DNS prefix and '/': team, example.com/team"
        ),
    ),
} | {
    f"a label of our own: {key}": (
        {"job": {"podLabels": {key: "a"}}},
        (
            "spec.job.podLabels: Holdfast or the Job sets these labels itself, so leave them out: holdfast.dev/..., "
            "batch.kubernetes.io/..., app.kubernetes.io/managed-by, app.kubernetes.io/component, job-name, "
            "controller-uid"
        ),
    )
    for key in (*OWN_LABELS, "job-name", "controller-uid")
}

WRONG_BACKUPS = {
    "schedule of one backup": (
        {"policyRef": REMOVED, "policy": {**POLICY_SPEC, "schedule": {"cron": "@daily"}}},
        (
            "spec.policy.schedule: schedule has no effect in a backup, which is taken once: leave it out, or create a "
            "BackupPolicy"
        ),
    ),
    "both policyRef and policy": ({"policy": POLICY_SPEC}, "spec: set exactly one of policyRef and policy"),
    "neither policyRef nor policy": ({"policyRef": REMOVED}, "spec: set exactly one of policyRef and policy"),
    "policyRef without a name": ({"policyRef": {}}, "spec.policyRef.name: Required value"),
    "policyRef to another namespace": (
        {"policyRef/namespace": "other"},
        'strict decoding error: unknown field "spec.policyRef.namespace"',
    ),
    "policyRef longer than any policy": (
        {"policyRef/name": "a" * 41},
        "spec.policyRef.name: Too long: may not be more than 40 bytes",
    ),
    "label that is no DNS label": (
        {"label": "Before V2"},
        (
            "spec.label: must be a DNS label: at most 40 lower-case letters, digits and '-', with a letter or digit at "
            "both ends: before-v2"
        ),
    ),
    "label of 41": ({"label": "a" * 41}, "spec.label: Too long: may not be more than 40 bytes"),
    "empty reason": ({"reason": ""}, "spec.reason: spec.reason in body should be at least 1 chars long"),
    "retentionDays 0": (
        {"retentionDays": 0},
        "spec.retentionDays: spec.retentionDays in body should be greater than or equal to 1",
    ),
    "retentionDays as a duration": (
        {"retentionDays": "30d"},
        'spec.retentionDays: spec.retentionDays in body must be of type integer: "string"',
    ),
    "unknown engine in a policy of its own": (
        {"policyRef": REMOVED, "policy": changed(POLICY_SPEC, {"database/engine": "oracle"})},
        (
            'spec.policy.database.engine: Unsupported value: "oracle": '
            'supported values: "postgresql", "mysql", "mariadb", "sqlite"'
        ),
    ),
    "a switch of later": ({"cancel": True}, 'strict decoding error: unknown field "spec.cancel"'),
    **{
        f"{rule} in a policy of its own": (
            {"policyRef": REMOVED, "policy": changed(POLICY_SPEC, {f"retention/{rule}": value})},
            f"spec.policy.retention.{rule}: {rule} {OF_NO_POLICY}",
        )
        for rule, value in OTHER_RULES.items()
    },
    "a mode in a policy of its own": (
        {"policyRef": REMOVED, "policy": changed(POLICY_SPEC, {"retention/mode": "External"})},
        f"spec.policy.retention.mode: mode {OF_NO_POLICY}",
    ),
    "pinned without a policy": (
        {"policyRef": REMOVED, "policy": POLICY_SPEC, "pinned": True},
        f"spec.pinned: pinned {OF_NO_POLICY}",
    ),
}


BUCKET = {"s3": {"bucket": "backups"}, "folder": "eu-1/shop/orders/backup-20261122-084500"}
INTO = {"database": POLICY_SPEC["database"]}
MASKED = {"sqlConfigMapName": "mask"}
NEW = {"identifier": "orders-restored"}
ALL_OF_NEW = NEW | {"region": "eu-central-1", "instanceClass": "db.t4g.medium", "subnetGroup": "shop",
                    "securityGroups": ["sg-0a1b2c3d"]}  # fmt: skip
RESTORES_ONCE = "a DatabaseRestore runs once, so only confirm may change in its spec; create another DatabaseRestore"

WRONG_RESTORES = {
    "no source": ({"source": REMOVED}, "spec.source: Required value"),
    "two sources": (
        {"source/policyRef": {"name": "orders"}},
        "spec.source: set exactly one of backupRef, policyRef, bucket and replacedBy",
    ),
    "a time in another zone": (
        {"source": {"policyRef": {"name": "orders"}, "before": "2026-11-22T08:45:00+01:00"}},
        "spec.source.before: Too long: may not be more than 20 bytes",
    ),
    "a time that is none": (
        {"source": {"policyRef": {"name": "orders"}, "before": "2026-11-22 08:45"}},
        "spec.source.before: must be a time in UTC: 2026-11-22T08:45:00Z",
    ),
    "before of one backup": (
        {"source/before": "2026-11-22T08:45:00Z"},
        "spec.source.before: before chooses among a policy's backups, so it needs policyRef: leave it out",
    ),
    "a purpose of one backup": (
        {"source/purpose": "pre-migration"},
        "spec.source.purpose: purpose chooses among a policy's backups, so it needs policyRef: leave it out",
    ),
    "suspicious or not of one backup": (
        {"source/includeSuspicious": True},
        (
            "spec.source.includeSuspicious: includeSuspicious chooses among a policy's backups, so it needs policyRef: "
            "leave it out"
        ),
    ),
    "a bucket without a name": (
        {"source": {"bucket": {"s3": {}, "folder": "a/b"}}, "target": INTO},
        "spec.source.bucket.s3: Required value: name the bucket: set s3.bucket",
    ),
    "a bucket that does not say where to restore to": (
        {"source": {"bucket": BUCKET}},
        "spec.target: a backup in a bucket does not say how to reach a database: set target.database or target",
    ),
    "a folder with an empty part": (
        {"source": {"bucket": {**BUCKET, "folder": "eu//db"}}, "target": INTO},
        "spec.source.bucket.folder: must be a folder within the bucket, without empty parts:",
    ),
    "a folder that points elsewhere": (
        {"source": {"bucket": {**BUCKET, "folder": "eu/../db"}}, "target": INTO},
        "spec.source.bucket.folder: folder must not have the parts '.' or '..'",
    ),
    "two targets": (
        {"target": {**INTO, "policyRef": {"name": "staging"}}},
        (
            "spec.target.policyRef: the target is a policy's database or the one that database names: leave out one of "
            "the two"
        ),
    ),
    "another name of a database that is named": (
        {"target": {**INTO, "databaseName": "other"}},
        (
            "spec.target.databaseName: databaseName is the name on the server of the source or of the policy: set "
            "database.name instead"
        ),
    ),
    "an instance of RDS as the target": (
        {"target": {"database": {"instance": INSTANCE}}},
        "spec.target.database.instance: a snapshot of RDS is restored into a new instance or cluster: set target.rds",
    ),
    "a new instance in a database": (
        {"target": {**INTO, "rds": NEW}},
        "spec.target.database: rds makes a new instance or cluster: leave database out",
    ),
    "a new instance in a policy's database": (
        {"target": {"policyRef": {"name": "a"}, "rds": NEW}},
        "spec.target.policyRef: rds makes a new instance or cluster: leave policyRef out",
    ),
    "a new instance with a database's name": (
        {"target": {"databaseName": "a", "rds": NEW}},
        "spec.target.databaseName: rds makes a new instance or cluster: leave databaseName out",
    ),
    "a new instance that is to be created": (
        {"target": {"create": True, "rds": NEW}},
        "spec.target.create: rds makes a new instance or cluster: leave create out",
    ),
    "a new instance in the place of another": (
        {"target": {"rds": NEW}, "mode": "Replace"},
        "spec.mode: RDS restores a whole snapshot into a new instance or cluster: leave mode out",
    ),
    "a part of a snapshot": (
        {"target": {"rds": NEW}, "options": {"tables": ["a"]}},
        "spec.options: RDS restores a whole snapshot into a new instance or cluster: leave options out",
    ),
    "a snapshot that is masked": (
        {"target": {"rds": NEW}, "afterRestore": MASKED},
        "spec.afterRestore: RDS restores a whole snapshot into a new instance or cluster: leave afterRestore out",
    ),
    "an identifier that RDS does not take": (
        {"target": {"rds": {"identifier": "new--orders"}}},
        "spec.target.rds.identifier: must be the identifier of an RDS instance or cluster: letters, digits and single",
    ),
    "a class that is none": (
        {"target": {"rds": {**NEW, "instanceClass": "m5.large"}}},
        "spec.target.rds.instanceClass: must be a class of RDS: db.t4g.medium",
    ),
    "a subnet group that is none": (
        {"target": {"rds": {**NEW, "subnetGroup": "a/b"}}},
        "spec.target.rds.subnetGroup: must be the name of a DB subnet group",
    ),
    "a security group that is none": (
        {"target": {"rds": {**NEW, "securityGroups": ["default"]}}},
        "spec.target.rds.securityGroups[0]: must be the id of a VPC security group: sg-0a1b2c3d",
    ),
    "a parameter group that is none": (
        {"target": {"rds": {**NEW, "parameterGroup": "a b"}}},
        "spec.target.rds.parameterGroup: must be the name of a parameter group: letters, digits, '.' and '-'",
    ),
    "a region that is none": (
        {"target": {"rds": {**NEW, "region": "Frankfurt"}}},
        "spec.target.rds.region: must be the name of an AWS region: eu-central-1",
    ),
    "keys of no Secret": (
        {"target": {"rds": {**NEW, "secretKeys": {"accessKeyID": "id"}}}},
        "spec.target.rds.secretKeys: secretKeys has no effect without secretName",
    ),
    "an endpoint of RDS with a password": (
        {"target": {"rds": {**NEW, "endpoint": "https://me:secret@rds.example.com"}}},
        "spec.target.rds.endpoint: must be a URL of host, port and path, without credentials: https://rds.example.com",
    ),
    "a kind that the backup says": (
        {"target": {"rds": {**NEW, "kind": "cluster"}}},
        "spec.target.rds.kind: kind has no effect without source.bucket, since a DatabaseBackup says it itself: leave",
    ),
    **{
        f"a snapshot in a bucket without {field}": (
            {"source": {"bucket": BUCKET}, "target": {"rds": {k: v for k, v in ALL_OF_NEW.items() if k != field}}},
            (
                "spec.target.rds: Required value: a manifest in a bucket is not asked what to make: set region, "
                "instanceClass, subnetGroup and securityGroups"
            ),
        )
        for field in ("region", "instanceClass", "subnetGroup", "securityGroups")
    },
    "a tag of AWS's own": (
        {"target": {"rds": {**NEW, "tags": {"aws:a": "b"}}}},
        "spec.target.rds.tags: a tag's key has at most 128 letters, digits, spaces and _.:/=+@-, and begins neither",
    ),
    "a way back to somewhere else": (
        {"source": {"replacedBy": {"name": "a"}}, "target": INTO},
        "spec.target: replacedBy puts a database back in its own place: leave target out",
    ),
    "a way back with options": (
        {"source": {"replacedBy": {"name": "a"}}, "options": {"jobs": 2}},
        "spec.options: replacedBy puts a whole database back, without reading a backup: leave options out",
    ),
    "a way back with a mode": (
        {"source": {"replacedBy": {"name": "a"}}, "mode": "Replace"},
        "spec.mode: mode has no effect with replacedBy, which keeps the database that it moves away: leave mode out",
    ),
    "a way back that masks": (
        {"source": {"replacedBy": {"name": "a"}}, "afterRestore": MASKED},
        "spec.afterRestore: afterRestore has no effect with replacedBy, which puts a database back as it was: leave",
    ),
    "a way back with a reason not to mask": (
        {"source": {"replacedBy": {"name": "a"}}, "maskingWaived": "it is as it was"},
        "spec.maskingWaived: maskingWaived has no effect with replacedBy, which puts a database back as it was: leave",
    ),
    "masked, and not": (
        {"afterRestore": MASKED, "maskingWaived": "made up"},
        "spec.maskingWaived: afterRestore masks the data, and maskingWaived says why they are not masked: leave out",
    ),
    "a key that is none": (
        {"afterRestore": {**MASKED, "key": "a/b"}},
        "spec.afterRestore.key: must be a key as a ConfigMap has it: letters, digits, '-', '_' and '.'",
    ),
    "a way back without a safety backup": (
        {"source": {"replacedBy": {"name": "a"}}, "safetyBackup": "Skip"},
        "spec.safetyBackup: replacedBy loses nothing, so that no safety backup is taken: leave safetyBackup out",
    ),
    "grants of some tables": (
        {"options": {"globals": "Require", "tables": ["public.orders"]}},
        "spec.options: globals and owner are of a whole restore: leave out tables, and content Data",
    ),
    "an owner of what is added to": (
        {"mode": "Into", "options": {"owner": "shop"}},
        "spec.options: mode Into leaves what is there as it is, its owners and rights too: leave out options.globals",
    ),
    "kept without being replaced": (
        {"keepReplacedHours": 3},
        "spec.keepReplacedHours: keepReplacedHours has no effect unless mode is Replace: leave it out",
    ),
    "unknown mode": (
        {"mode": "Force"},
        'spec.mode: Unsupported value: "Force": supported values: "Refuse", "Replace", "Into"',
    ),
}


def a_restore(changes=None, name="orders"):
    return a_resource("DatabaseRestore", changed({"source": {"backupRef": {"name": "orders"}}}, changes or {}), name)


def refused(kubectl, refusal, namespace, resource):
    with pytest.raises(KubectlError) as raised:
        kubectl("create", "-n", namespace, "--dry-run=server", "--validate=strict", "-f", "-", stdin=[resource])
    assert refusal in said(raised)


@pytest.mark.parametrize(("changes", "refusal"), WRONG_POLICIES.values(), ids=WRONG_POLICIES)
def test_a_wrong_policy_is_refused(kubectl, shared_namespace, changes, refusal):
    refused(kubectl, refusal, shared_namespace, a_policy(changes))


@pytest.mark.parametrize(("changes", "refusal"), WRONG_BACKUPS.values(), ids=WRONG_BACKUPS)
def test_a_wrong_backup_is_refused(kubectl, shared_namespace, changes, refusal):
    refused(kubectl, refusal, shared_namespace, a_backup(changes))


@pytest.mark.parametrize(("changes", "refusal"), WRONG_RESTORES.values(), ids=WRONG_RESTORES)
def test_a_wrong_restore_is_refused(kubectl, shared_namespace, changes, refusal):
    refused(kubectl, refusal, shared_namespace, a_restore(changes))


@pytest.mark.parametrize(
    ("resource", "refusal"),
    [
        (a_restore(name=f"{NAME_63}x"), "metadata.name: the name of a DatabaseRestore has at most 63 characters"),
        (a_policy(name=f"{NAME_40}x"), "metadata.name: the name of a BackupPolicy has at most 40 characters"),
        (a_backup(name=f"{NAME_63}x"), "metadata.name: the name of a DatabaseBackup has at most 63 characters"),
    ],
    ids=["restore of 64", "policy of 41", "backup of 64"],
)
def test_a_name_that_is_too_long_is_refused(kubectl, shared_namespace, resource, refusal):
    refused(kubectl, refusal, shared_namespace, resource)


def test_an_unknown_field_is_refused_by_server_side_apply_too(kubectl, shared_namespace):
    with pytest.raises(KubectlError, match=r"\.spec\.cancel: field not declared in schema"):
        kubectl("apply", "--server-side", "-n", shared_namespace, "-f", "-", stdin=[a_backup({"cancel": True})])


GOOD = {
    "restore from a bucket": a_restore({"source": {"bucket": BUCKET}, "target": INTO}),
    "restore of what was there before": a_restore(
        {"source": {"policyRef": {"name": "orders"}, "before": "2026-11-22T08:45:00Z"}}
    ),
    "restore that is undone": a_restore({"source": {"replacedBy": {"name": "a"}}, "keepReplacedHours": 3}),
    "restore into another policy's database": a_restore(
        {"target": {"policyRef": {"name": "staging"}, "databaseName": "o"}}
    ),
    "restore into a new instance": a_restore(
        {
            "target": {
                "environment": "staging",
                "rds": {
                    **NEW,
                    "instanceClass": "db.t4g.medium",
                    "subnetGroup": "shop",
                    "securityGroups": ["sg-0a1b2c3d"],
                    "parameterGroup": "shop-17",
                    "tags": {"team": "data"},
                },
            }
        }
    ),
    "restore of a snapshot in a bucket": a_restore(
        {"source": {"bucket": BUCKET}, "target": {"rds": {**ALL_OF_NEW, "kind": "cluster", "secretName": "aws"}}}
    ),
    "restore of a copy": a_restore({"target": {"rds": {**ALL_OF_NEW, "region": "eu-west-1"}}}),
    "restore that is masked": a_restore({"afterRestore": {**MASKED, "key": "mask_2.sql"}}),
    "restore that need not be masked": a_restore({"maskingWaived": "the data are made up"}),
    "longest name of a policy": a_policy(name=NAME_40),
    "longest name of a backup": a_backup(name=NAME_63),
    "name with dots": a_backup(name="orders.v2"),
    "everything from the chart": a_policy({"storage": REMOVED}),
    "schedule with every form of a field": a_policy({"schedule": {"cron": "*/5,7 0-6/2 1,LW Jan-MAR 5L,mon#2"}}),
    "schedule by a word": a_policy({"schedule": {"cron": "@midnight", "timeZone": "America/Argentina/Buenos_Aires"}}),
    "server from the Secret's URL": a_policy({"database/connection/host": REMOVED}),
    "IPv6 address": a_policy({"database/connection/host": "2001:db8::1"}),
    "database name of any letters": a_policy({"database/name": "Bestellungen 'ü' $(HOME) \\ $$"}),
    "verified TLS": a_policy({"database/connection/tls": {"mode": "verify-full", "caSecretName": "ca"}}),
    "quantities as numbers and text": a_policy(
        {"job": {"resources": {"requests": {"cpu": 1, "memory": "1.5Gi"}, "limits": {"cpu": "1500m"}}}}
    ),
    "the least and the most of each": a_policy(
        {
            "job": {
                "resources": {
                    "requests": {"cpu": 0, "memory": "0"},
                    "limits": {"memory": 1048576, "ephemeral-storage": "1Ei"},
                },
                "scratch": {"sizeLimit": "1.5e9"},
            }
        }
    ),
    "a folder below a folder": a_policy({"storage/s3/prefix": "/eu-1/databases/"}),
    "toleration of everything": a_policy({"job": {"tolerations": [{"operator": "Exists"}]}}),
    "label with a prefix": a_policy({"job": {"podLabels": {"example.com/team": "shop", "app": ""}}}),
    "shortest label": a_backup({"label": "a"}),
    "policy of its own": a_backup({"policyRef": REMOVED, "policy": POLICY_SPEC}),
    "policy of its own with an age": a_backup(
        {"policyRef": REMOVED, "policy": changed(POLICY_SPEC, {"retention/days": 5})}
    ),
    "pinned": a_backup({"pinned": True}),
    "what a policy may say beside a store": a_policy(
        {"storage": {"store": "eu", "s3": {"prefix": "a", "secretName": "b", "pruneSecretName": "c", "tags": {}}}}
    ),
    "days where the bucket deletes": a_policy({"retention": {"mode": "External", "days": 30}}),
    "every rule at its most": a_policy(
        {
            "retention": {
                **dict.fromkeys(("keepLast", "keepHourly", "keepDaily", "keepWeekly", "keepMonthly"), 10_000),
                "keepYearly": 1000,
                "minimum": 10_000,
                "maxDeletionsPerSweep": 100_000,
            }
        }
    ),
}


@pytest.mark.parametrize("resource", GOOD.values(), ids=GOOD)
def test_a_good_resource_is_accepted(kubectl, shared_namespace, resource):
    said = kubectl(
        "create", "-n", shared_namespace, "--dry-run=server", "--validate=strict", "-f", "-", stdin=[resource]
    )
    assert f"{resource['metadata']['name']} created (server dry run)" in said


FORBIDDEN = "Forbidden: {} cannot change once the backup is created; create another backup"
REFERRING = {"policyRef": {"name": "orders"}, "label": "before-v2", "reason": "release 2.0", "retentionDays": 10}
INLINE = {"policy": POLICY_SPEC}


@pytest.mark.parametrize(
    ("spec", "patch", "field"),
    [
        pytest.param(REFERRING, {"policyRef": {"name": "other"}}, "policyRef", id="changed policyRef"),
        pytest.param(REFERRING, {"policyRef": None, "policy": POLICY_SPEC}, "policyRef", id="policyRef, then policy"),
        pytest.param(REFERRING, {"label": "after-v2"}, "label", id="changed label"),
        pytest.param(REFERRING, {"label": None}, "label", id="removed label"),
        pytest.param(REFERRING, {"reason": "another"}, "reason", id="changed reason"),
        pytest.param(REFERRING, {"reason": None}, "reason", id="removed reason"),
        pytest.param(INLINE, {"label": "late"}, "label", id="added label"),
        pytest.param(INLINE, {"purpose": "pre-migration"}, "purpose", id="added purpose"),
        pytest.param(INLINE, {"release": {"revision": "v2"}}, "release", id="added release"),
        pytest.param(INLINE, {"policy": {"environment": "staging"}}, "policy", id="changed policy"),
        pytest.param(INLINE, {"policy": {"dump": {"jobs": 2}}}, "policy", id="changed default in policy"),
        pytest.param(INLINE, {"policy": {"retention": {"days": 5}}}, "policy", id="added field in policy"),
    ],
)
def test_what_a_backup_is_cannot_change(kubectl, namespace, spec, patch, field):
    kubectl("create", "-n", namespace, "-f", "-", stdin=[a_resource("DatabaseBackup", spec)])
    with pytest.raises(KubectlError) as raised:
        merge(kubectl, namespace, patch, "--dry-run=server")
    assert f"spec.{field}: {FORBIDDEN.format(field)}" in said(raised)


@pytest.mark.parametrize(
    "patch",
    [
        {"mode": "Into"}, {"source": {"backupRef": {"name": "other"}}}, {"options": {"jobs": 2}},
        {"target": {"environment": "dev"}}, {"job": {"backoffLimit": 0}}, {"unattended": {"reason": "later"}},
    ],
)  # fmt: skip
def test_a_restore_cannot_change(kubectl, namespace, patch):
    kubectl("create", "-n", namespace, "-f", "-", stdin=[a_restore()])
    with pytest.raises(KubectlError) as raised:
        kubectl(
            "patch", "databaserestores.holdfast.dev", "orders", "-n", namespace, "--type=merge",
            "-p", json.dumps({"spec": patch}), "--dry-run=server",
        )  # fmt: skip
    assert f"spec: Forbidden: {RESTORES_ONCE}" in said(raised)


def test_a_restore_can_be_confirmed_and_that_be_taken_back(kubectl, namespace):
    kubectl("create", "-n", namespace, "-f", "-", stdin=[a_restore()])
    for confirm in ("orders", "order", None):
        kubectl(
            "patch", "databaserestores.holdfast.dev", "orders", "-n", namespace, "--type=merge",
            "-p", json.dumps({"spec": {"confirm": confirm}}),
        )  # fmt: skip


@pytest.mark.parametrize("days", [1, 365, None], ids=["shorter", "longer", "the policy's again"])
def test_how_long_a_backup_is_kept_may_change(kubectl, namespace, days):
    kubectl("create", "-n", namespace, "-f", "-", stdin=[a_resource("DatabaseBackup", REFERRING)])
    merge(kubectl, namespace, {"retentionDays": days})
    shown = kubectl("get", DBB, "orders", "-n", namespace, "-o", "jsonpath={.spec.retentionDays}")
    assert shown == ("" if days is None else str(days))


def test_a_backup_may_be_pinned_and_let_go(kubectl, namespace):
    kubectl("create", "-n", namespace, "-f", "-", stdin=[a_resource("DatabaseBackup", REFERRING)])
    for pinned in (True, False):
        merge(kubectl, namespace, {"pinned": pinned})
        shown = kubectl("get", DBB, "orders", "-n", namespace, "-o", "jsonpath={.spec.pinned}")
        assert shown == str(pinned).lower()


def merge(kubectl, namespace, spec, *options):
    patch = json.dumps({"spec": spec})
    return kubectl("patch", DBB, "orders", "-n", namespace, "--type=merge", "-p", patch, *options)
