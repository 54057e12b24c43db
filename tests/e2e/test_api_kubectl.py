"""The resources as a person and a pipeline meet them: explained, listed, applied again without a change."""

import json
import time

import pytest

from holdfast.api import crd
from holdfast.api.schema import filled, structural

pytestmark = pytest.mark.usefixtures("crds")

# Other definitions of the same short names may be there for a time, as the chart's own tests bring some.
BPOL, DBB = "backuppolicies.holdfast.dev", "databasebackups.holdfast.dev"
FULL = {"BackupPolicy": BPOL, "DatabaseBackup": DBB}
POLICY = {
    "apiVersion": "holdfast.dev/v1alpha1",
    "kind": "BackupPolicy",
    "metadata": {"name": "orders"},
    "spec": {
        "environment": "dev",
        "database": {"engine": "postgresql", "name": "orders", "connection": {"secretName": "orders-db"}},
        "dump": {"format": "custom"},
        "storage": {"s3": {"bucket": "backups", "secretName": "s3", "secretKeys": {"accessKeyID": "id"}}},
        "job": {"scratch": {}, "resources": {"limits": {"cpu": 1, "memory": "1.5Gi"}}},
    },
}
# Its policy is not there, so an operator that happens to run leaves it waiting.
WAITING = {
    "apiVersion": "holdfast.dev/v1alpha1",
    "kind": "DatabaseBackup",
    "metadata": {"name": "orders-first"},
    "spec": {"policyRef": {"name": "not-there"}, "label": "first"},
}
INLINE = {**WAITING, "metadata": {"name": "orders-inline"}, "spec": {"policy": POLICY["spec"], "label": "first"}}
STATUS = {
    "phase": "Succeeded",
    "backupID": "backup-20261122-084500-first",
    "location": "s3://backups/shop/orders/backup-20261122-084500-first/",
    "message": "82 MB in 2m5s",
    "size": "82 MB",
    "duration": "2m5s",
    "expires": "2027-02-20",
    "resolved": POLICY["spec"],
}


@pytest.mark.parametrize("resource", [POLICY, WAITING, INLINE], ids=["policy", "backup", "backup with its own policy"])
@pytest.mark.parametrize("way", [("--server-side",), ()], ids=["server-side", "client-side"])
def test_applying_the_same_again_changes_nothing(kubectl, namespace, resource, way):
    def applied():
        kubectl("apply", *way, "-n", namespace, "-f", "-", stdin=[resource])
        return read(kubectl, namespace, resource)["metadata"]["generation"]

    assert [applied(), applied(), applied()] == [1, 1, 1]
    assert kubectl("diff", *way, "-n", namespace, "-f", "-", stdin=[resource]) == ""


@pytest.mark.parametrize("resource", [POLICY, INLINE], ids=["policy", "backup with its own policy"])
def test_what_the_server_stores_is_what_the_models_make_of_it(kubectl, namespace, resource):
    model = next(each.spec for each in crd.RESOURCES if each.kind == resource["kind"])
    kubectl("create", "-n", namespace, "-f", "-", stdin=[resource])
    stored = read(kubectl, namespace, resource)["spec"]
    assert stored == filled(structural(model), resource["spec"])
    assert stored != resource["spec"]
    assert model.model_validate(stored) == model.model_validate(resource["spec"])


def read(kubectl, namespace, resource):
    return json.loads(
        kubectl("get", FULL[resource["kind"]], resource["metadata"]["name"], "-n", namespace, "-o", "json")
    )


def test_generate_name_makes_a_backup_each_time(kubectl, namespace):
    nameless = {**WAITING, "metadata": {"generateName": "orders-before-v2-"}}
    made = {kubectl("create", "-n", namespace, "-o", "name", "-f", "-", stdin=[nameless]) for _ in range(2)}
    assert len(made) == 2


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("databasebackups", "A DatabaseBackup is one backup of one database. Holdfast takes the backup once,"),
        ("databasebackups.spec.policyRef", "If the policy does not exist yet, the backup waits for it."),
        (
            "databasebackups.spec.label",
            "A word to find the backup by, e.g. before-v2. The backup's id ends with this label.",
        ),
        ("databasebackups.status.restore", "How to restore this backup: the YAML of a DatabaseRestore to apply."),
        ("backuppolicies", "Its schedule creates a DatabaseBackup for each run."),
        ("backuppolicies.spec.schedule.timeZone", "Time zone in which cron is read, by its IANA name. Default: UTC."),
        ("backuppolicies.spec.environment", "What the database is for: dev, staging or production."),
        (
            "backuppolicies.spec.database.connection.tls.mode",
            "Only verify-ca and verify-full check the server's certificate.",
        ),
        (
            "backuppolicies.spec.job.activeDeadlineSeconds",
            "How long the backup may run, in seconds. Default: 21600 (6 hours).",
        ),
    ],
    ids=lambda value: value if "." in value and " " not in value else None,
)
def test_kubectl_explain_reads_like_documentation(kubectl, path, sentence):
    assert sentence in " ".join(kubectl("explain", path, "--api-version=holdfast.dev/v1alpha1").split())


def test_a_backup_is_listed_with_what_a_person_wants_to_know(kubectl, namespace):
    kubectl("create", "-n", namespace, "-f", "-", stdin=[WAITING])
    plain, wide = listed_with_status(kubectl, namespace)
    head, row = (line.split("  ") for line in plain.splitlines())
    assert [cell.strip() for cell in head if cell] == [
        "NAME", "POLICY", "ENVIRONMENT", "ENGINE", "PHASE", "SIZE", "DURATION", "WARNINGS", "EXPIRES", "AGE",
    ]  # fmt: skip
    assert [cell.strip() for cell in row if cell][:-1] == [
        "orders-first", "not-there", "dev", "postgresql", "Succeeded", "82 MB", "2m5s", "2027-02-20",
    ]  # fmt: skip
    assert wide.splitlines()[0].split()[-4:] == ["BACKUP", "ID", "LOCATION", "MESSAGE"]
    assert STATUS["backupID"] in wide
    assert STATUS["location"] in wide


def listed_with_status(kubectl, namespace, seconds=20):
    """List it with the status above; where an operator runs, its first word on a new backup may come between."""
    until = time.monotonic() + seconds
    while True:
        patch = json.dumps({"status": STATUS})
        kubectl("patch", DBB, "orders-first", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
        tables = [kubectl("get", DBB, "-n", namespace, *options) for options in ([], ["-o", "wide"])]
        if all("Succeeded" in table for table in tables) or time.monotonic() > until:
            return tables


def test_a_policy_is_listed_with_what_a_person_wants_to_know(kubectl, namespace):
    kubectl("create", "-n", namespace, "-f", "-", stdin=[POLICY])
    head, row = kubectl("get", BPOL, "-n", namespace).splitlines()
    assert " ".join(head.split()) == (
        "NAME ENVIRONMENT ENGINE DATABASE SCHEDULE LAST SUCCESS NEXT KEPT STORED READY AGE"
    )
    assert row.split()[:4] == ["orders", "dev", "postgresql", "orders"]


def test_all_of_holdfast_is_listed_at_once_and_kubectl_delete_all_spares_it(kubectl, namespace):
    kubectl("create", "-n", namespace, "-f", "-", stdin=[POLICY, WAITING])
    listed = kubectl("get", "holdfast", "-n", namespace, "-o", "name").split()
    assert listed == ["backuppolicy.holdfast.dev/orders", "databasebackup.holdfast.dev/orders-first"]
    kubectl("delete", "all", "--all", "-n", namespace)
    assert kubectl("get", "holdfast", "-n", namespace, "-o", "name").split() == listed


@pytest.mark.parametrize(("name", "short"), [(BPOL, "bpol"), (DBB, "dbb")], ids=["bpol", "dbb"])
def test_each_kind_has_its_short_name(kubectl, name, short):
    assert kubectl("get", "crd", name, "-o", "jsonpath={.status.acceptedNames.shortNames[*]}") == short


def test_backups_are_selected_by_their_policy(kubectl, namespace):
    other = {**WAITING, "metadata": {"name": "another"}, "spec": {"policyRef": {"name": "another"}}}
    kubectl("create", "-n", namespace, "-f", "-", stdin=[WAITING, other])
    selected = kubectl("get", DBB, "-n", namespace, "-o", "name", "--field-selector=spec.policyRef.name=another")
    assert selected.split() == ["databasebackup.holdfast.dev/another"]


def test_a_status_that_a_person_writes_into_a_new_backup_is_dropped(kubectl, namespace):
    boasting = {**WAITING, "status": {"phase": "Succeeded", "size": "1 TB"}}
    kubectl("create", "-n", namespace, "-f", "-", stdin=[boasting])
    assert "size" not in read(kubectl, namespace, WAITING).get("status", {})
