"""What is of production is deleted by hand only by who confirms it; the API server asks, with no operator running."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.chart.rendering import SERVED, render
from tests.e2e.kubectl import Kubectl, KubectlError

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300, func_only=True)]

ID = "20261129T010203Z-abc123"
IN_FORCE_SECONDS = 120
RESOURCES = {"DatabaseBackup": "databasebackups.holdfast.dev", "BackupPolicy": "backuppolicies.holdfast.dev"}
RESTORE = {"source": {"backupRef": {"name": "good"}}}
ACCOUNT = "hf-holdfast"


def a_spec(environment: str) -> dict[str, Any]:
    database = {"engine": "postgresql", "name": "orders", "connection": {"secretName": "orders-db"}}
    return {
        "environment": environment,
        "database": database,
        "storage": {"s3": {"bucket": "backups", "secretName": "s3"}},
    }


class Guarded:
    """A namespace that a release guards."""

    def __init__(self, kubectl: Kubectl, home: str, tenant: str) -> None:
        self.kubectl, self.home, self.tenant = kubectl, home, tenant

    def put(self, kind: str, name: str, spec: dict[str, Any], status: dict[str, Any] | None = None) -> str:
        metadata = {"name": name, "namespace": self.tenant}
        made = {"apiVersion": "holdfast.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(made))
        if status:
            patch = ("--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
            self.kubectl("-n", self.tenant, "patch", RESOURCES[kind], name, *patch)
        return f"{RESOURCES[kind]}/{name}"

    def backup(self, name: str, phase: str = "Succeeded", environment: str = "production") -> str:
        status = {"phase": phase, "backupID": ID, "resolved": a_spec(environment)}
        return self.put("DatabaseBackup", name, {"policyRef": {"name": "not-there"}}, status)

    def policy(self, name: str, environment: str = "production") -> str:
        return self.put("BackupPolicy", name, a_spec(environment))

    def refusal(self, what: str, *options: str) -> str:
        """Return what the API server says against its deletion; nothing is deleted."""
        try:
            self.kubectl("-n", self.tenant, "delete", what, "--dry-run=server", *options)
        except KubectlError as refused:
            return str(refused)
        return ""

    def confirm(self, what: str, word: str) -> None:
        self.kubectl("-n", self.tenant, "annotate", "--overwrite", what, f"holdfast.dev/confirm={word}")


@pytest.fixture(scope="module")
def guarded(one_helm: Path, kubectl: Kubectl, crds: None, make_namespace: Callable[[str], str]) -> Iterator[Guarded]:
    home, tenant = make_namespace("guard"), make_namespace("guarded")
    values = {"replicas": 0, "watchNamespaces": [tenant], "crds": {"enabled": False}}
    options = (f"--namespace={home}", "--api-versions=v1/Pod", f"--api-versions={SERVED}")
    made = render(one_helm, {**values, "rbac": {"aggregateClusterRoles": False}}, *options).manifests
    kubectl("apply", "--server-side", "-f", "-", stdin=made)
    try:
        result = Guarded(kubectl, home, tenant)
        probe, deadline = result.backup("probe"), time.monotonic() + IN_FORCE_SECONDS
        while not result.refusal(probe):
            assert time.monotonic() < deadline, "the guard is not in force"
        yield result
    finally:
        kubectl("delete", "--wait=false", "--ignore-not-found", "-f", "-", stdin=made)


def test_a_good_backup_is_deleted_by_who_names_it_alone(guarded: Guarded):
    backup = guarded.backup("good")

    assert f"annotate --overwrite databasebackups.holdfast.dev good holdfast.dev/confirm={ID}" in guarded.refusal(
        backup
    )
    guarded.confirm(backup, "yes")
    assert ID in guarded.refusal(backup)
    guarded.confirm(backup, ID)
    assert guarded.refusal(backup) == ""


def test_a_policy_is_deleted_by_who_names_its_database_alone(guarded: Guarded):
    policy = guarded.policy("orders-nightly")

    assert "holdfast.dev/confirm=orders" in guarded.refusal(policy)
    guarded.confirm(policy, "orders")
    assert guarded.refusal(policy) == ""


def test_a_policy_of_a_snapshot_is_deleted_by_who_names_its_instance_alone(guarded: Guarded):
    instance = {"identifier": "orders-1", "region": "eu-central-1"}
    spec = {**a_spec("production"), "method": "aws-rds", "database": {"instance": instance}}
    policy = guarded.put("BackupPolicy", "orders-snapshots", spec)

    assert "holdfast.dev/confirm=orders-1" in guarded.refusal(policy)
    guarded.confirm(policy, "orders-1")
    assert guarded.refusal(policy) == ""


def loosening(guarded: Guarded, what: str, *options: str) -> str:
    """Return what the API server says against having the data deleted with the resource."""
    change = ("--type=merge", "-p", json.dumps({"spec": {"deletionPolicy": "Delete"}}))
    try:
        guarded.kubectl("-n", guarded.tenant, "patch", what, *change, *options)
    except KubectlError as refused:
        return str(refused)
    return ""


def test_data_that_is_to_go_with_its_resource_is_asked_about_on_policy_and_backup(guarded: Guarded):
    for what, word in ((guarded.policy("loosened"), "orders"), (guarded.backup("loosened", phase="Running"), ID)):
        assert f"holdfast.dev/confirm={word}" in loosening(guarded, what)
        assert "to have its data deleted with it" in loosening(guarded, what)
        guarded.kubectl("-n", guarded.tenant, "label", what, "other=changes")
        guarded.confirm(what, word)
        assert loosening(guarded, what) == ""
        guarded.confirm(what, "no-more")
        assert loosening(guarded, what, "--dry-run=server") == "", "it was Delete before"


def test_outside_production_nobody_is_asked_about_data_that_is_to_go(guarded: Guarded):
    assert loosening(guarded, guarded.policy("staging-loosened", environment="staging")) == ""
    assert loosening(guarded, guarded.backup("staging-loosened", environment="staging")) == ""


def creating(guarded: Guarded, **spec: Any) -> str:
    """Return what the API server says against a restore of that spec; nothing is created."""
    metadata = {"name": "again", "namespace": guarded.tenant}
    body = {"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "metadata": metadata, "spec": spec}
    try:
        guarded.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))
    except KubectlError as refused:
        return str(refused)
    return ""


def test_a_restore_is_not_confirmed_by_the_file_that_it_is_created_from(guarded: Guarded):
    assert "leave it out, or say in spec.unattended.reason" in creating(guarded, **RESTORE, confirm="orders")
    assert creating(guarded, **RESTORE) == ""
    assert creating(guarded, **RESTORE, confirm="orders", unattended={"reason": "the nightly rehearsal"}) == ""


def test_all_at_once_is_asked_of_each(guarded: Guarded):
    guarded.backup("one-of-many")

    assert "one-of-many holdfast.dev/confirm" in guarded.refusal("databasebackups.holdfast.dev", "--all")


def test_what_is_no_good_backup_of_production_goes_unasked(guarded: Guarded):
    assert guarded.refusal(guarded.backup("failed", phase="Failed")) == ""
    assert guarded.refusal(guarded.backup("staging", environment="staging")) == ""
    assert guarded.refusal(guarded.policy("staging-nightly", environment="staging")) == ""


def test_nobody_is_given_a_command_with_more_in_it_than_a_word(guarded: Guarded):
    patch = json.dumps({"status": {"backupID": "x; rm -rf ~"}})
    backup = guarded.backup("hostile")
    guarded.kubectl("-n", guarded.tenant, "patch", backup, "--subresource=status", "--type=merge", "-p", patch)

    said = guarded.refusal(backup)
    assert "rm -rf" not in said
    assert "holdfast.dev/confirm=hostile" in said


@pytest.mark.parametrize(
    "account",
    [
        "system:serviceaccount:kube-system:namespace-controller",
        "system:serviceaccount:kube-system:generic-garbage-collector",
        "system:kube-controller-manager",
    ],
)
def test_the_clusters_own_controllers_are_never_asked(guarded: Guarded, account: str):
    # system:masters: the user's name is what is tried, not its rights
    assert guarded.refusal(guarded.backup("collected"), f"--as={account}", "--as-group=system:masters") == ""


def test_the_operator_is_not_asked_and_another_namespaces_is(guarded: Guarded):
    backup = guarded.backup("expired")
    ours = f"--as=system:serviceaccount:{guarded.home}:{ACCOUNT}"
    strangers = f"--as=system:serviceaccount:{guarded.tenant}:{ACCOUNT}"

    assert guarded.refusal(backup, ours, "--as-group=system:masters") == ""
    assert "to delete it on purpose" in guarded.refusal(backup, strangers, "--as-group=system:masters")


def test_a_namespace_goes_with_its_good_backups(guarded: Guarded):
    guarded.backup("last")
    guarded.policy("last-nightly")
    guarded.kubectl("delete", "namespace", guarded.tenant, "--timeout=60s", timeout=90)
