"""What the chart's roles come to on a real API server: for the operator, and for people with `edit` and `view`."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.chart.rendering import render
from tests.e2e.kubectl import Kubectl, KubectlError

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120, func_only=True)]

BACKUPS, POLICIES = "databasebackups.holdfast.dev", "backuppolicies.holdfast.dev"
AGGREGATION_SECONDS = 120
ROLES = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


@dataclass(frozen=True)
class Rights:
    """The roles of a release that watches one namespace."""

    tenant: str
    operator: str
    kubectl: Kubectl

    def allowed(self, who: str, verb: str, what: str, *options: str, namespace: str = "") -> bool:
        question = ("auth", "can-i", verb, what, *options, f"--as={who}", "-n", namespace or self.tenant)
        try:
            return self.kubectl(*question).strip() == "yes"
        except KubectlError as error:
            if str(error):  # a plain no ends with 1 and says nothing on standard error
                raise
            return False

    def wait_for_aggregation(self) -> None:
        deadline = time.monotonic() + AGGREGATION_SECONDS
        while not (self.allowed("view", "get", POLICIES) and self.allowed("edit", "get", POLICIES)):
            assert time.monotonic() < deadline, f"edit and view are as they were after {AGGREGATION_SECONDS} s"


@pytest.fixture(scope="module")
def rights(one_helm: Path, kubectl: Kubectl, crds: None, make_namespace: Callable[[str], str]) -> Iterator[Rights]:
    home, tenant = make_namespace("rights"), make_namespace("tenant")
    rendered = render(one_helm, {"watchNamespaces": [tenant], "crds": {"enabled": False}}, f"--namespace={home}")
    roles = [manifest for kind in ROLES for manifest in rendered.all(kind)]
    kubectl("apply", "--server-side", "-f", "-", stdin=roles)
    for role in ("edit", "view"):
        kubectl("-n", tenant, "create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}")
    result = Rights(tenant, f"system:serviceaccount:{home}:hf-holdfast", kubectl)
    try:
        result.wait_for_aggregation()
        yield result
    finally:
        kubectl("delete", "--wait=false", "-f", "-", stdin=roles)


@pytest.mark.parametrize(
    ("verb", "what"),
    [
        ("create", "jobs"),
        ("delete", "jobs"),
        ("watch", "pods"),
        ("get", "persistentvolumeclaims"),
        ("create", "events"),
        ("watch", BACKUPS),
        ("create", BACKUPS),
        ("delete", BACKUPS),
        ("list", POLICIES),
    ],
)
def test_the_operator_may(rights: Rights, verb: str, what: str):
    assert rights.allowed(rights.operator, verb, what)
    assert not rights.allowed(rights.operator, verb, what, namespace="default")


def test_the_operator_writes_status_everywhere_as_a_terminating_namespace_loses_its_role_bindings(rights: Rights):
    for what in (BACKUPS, POLICIES):
        assert rights.allowed(rights.operator, "patch", what, "--subresource=status", namespace="default")
    # of a backup itself the admission policy lets it change its one finalizer and nothing else: test_admission.py
    for verb in ("get", "patch"):
        assert rights.allowed(rights.operator, verb, BACKUPS, namespace="default")


@pytest.mark.parametrize(
    ("verb", "what"),
    [
        ("get", "secrets"),
        ("list", "secrets"),
        ("create", "pods/exec"),
        ("create", "pods"),
        ("list", "persistentvolumeclaims"),
        ("delete", "persistentvolumeclaims"),
        ("delete", "pods"),
        ("update", "jobs"),
        ("deletecollection", "jobs"),
        ("create", POLICIES),
        ("update", BACKUPS),
        ("deletecollection", BACKUPS),
        ("delete", POLICIES),
        ("create", "serviceaccounts/token"),
        ("impersonate", "users"),
    ],
)
def test_the_operator_may_not(rights: Rights, verb: str, what: str):
    assert not rights.allowed(rights.operator, verb, what)


@pytest.mark.parametrize("what", [BACKUPS, POLICIES])
def test_who_may_edit_a_namespace_uses_our_resources_there_and_who_may_view_it_reads_them(rights: Rights, what: str):
    for verb in ("create", "update", "patch", "delete", "get", "list", "watch"):
        assert rights.allowed("edit", verb, what)
        assert rights.allowed("view", verb, what) is (verb in ("get", "list", "watch"))
        assert not rights.allowed("edit", verb, what, namespace="default")
