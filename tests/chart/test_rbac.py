"""Rights: exactly these, nowhere a wildcard, and with watchNamespaces nowhere else but there."""

from pathlib import Path
from typing import Any

import pytest
from tests.chart.rendering import Rendered, render

from holdfast.naming import LEASE_NAME

# of the test alone: the first one to need a Helm may wait minutes until it is built
pytestmark = [pytest.mark.integration, pytest.mark.timeout(60, func_only=True)]

Right = tuple[str, str, str]  # group, resource, verb
OURS = ("backuppolicies", "databasebackups", "databaserestores")


def rights(group: str, resources: tuple[str, ...], *verbs: str) -> set[Right]:
    return {(group, resource, verb) for resource in resources for verb in verbs}


STATUS = rights("holdfast.dev", tuple(f"{kind}/status" for kind in OURS), "patch")
WORK = (
    rights("holdfast.dev", OURS, "get", "list", "watch")
    | rights("holdfast.dev", ("databasebackups",), "create", "delete")
    | rights("batch", ("jobs",), "get", "list", "watch", "create", "patch", "delete")
    | rights("", ("pods",), "get", "list", "watch")
    | rights("", ("persistentvolumeclaims",), "get")
    | rights("", ("events",), "get", "list", "create", "patch")
)
FINALIZERS = rights("holdfast.dev", ("databasebackups",), "get", "patch")
LEADER = (
    rights("coordination.k8s.io", ("leases",), "create")
    | rights("coordination.k8s.io", (f"leases {LEASE_NAME}",), "get", "update", "patch")
    | rights("", ("events",), "get", "create", "patch")
)


def granted(role: dict[str, Any]) -> set[Right]:
    """Each right of a role; one that is about a single object has its name behind the resource."""
    return {
        (group, f"{resource} {name}".strip(), verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


def of_the_operator(rendered: Rendered) -> dict[str | None, set[Right]]:
    """What the operator's ServiceAccount may, by namespace; None is everywhere."""
    result: dict[str | None, set[Right]] = {}
    for binding in [*rendered.all("ClusterRoleBinding"), *rendered.all("RoleBinding")]:
        account = rendered.one("ServiceAccount")["metadata"]
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
        ]
        namespace = binding["metadata"].get("namespace")
        roles = [
            role
            for role in rendered.all(binding["roleRef"]["kind"])
            if (role["metadata"]["name"], role["metadata"].get("namespace")) == (binding["roleRef"]["name"], namespace)
        ]
        assert len(roles) == 1
        result.setdefault(namespace, set()).update(granted(roles[0]))
    return result


def test_cluster_wide_the_operator_may_do_its_work_and_no_more(helm: Path):
    assert of_the_operator(render(helm)) == {None: WORK | STATUS | FINALIZERS, "holdfast-system": LEADER}


def test_with_watch_namespaces_only_status_and_finalizers_can_be_written_elsewhere(helm: Path):
    rendered = render(helm, {"watchNamespaces": ["shop", "crm"]})

    assert of_the_operator(rendered) == {
        None: STATUS | FINALIZERS,
        "shop": WORK,
        "crm": WORK,
        "holdfast-system": LEADER,
    }


def test_the_release_namespace_itself_can_be_watched(helm: Path):
    rendered = render(helm, {"watchNamespaces": ["holdfast-system"]})

    assert of_the_operator(rendered) == {None: STATUS | FINALIZERS, "holdfast-system": WORK | LEADER}


@pytest.mark.parametrize("namespaces", [[], ["shop"]], ids=["cluster-wide", "one-namespace"])
def test_nothing_grants_secrets_exec_or_a_wildcard(helm: Path, namespaces: list[str]):
    rendered = render(helm, {"watchNamespaces": namespaces})
    everything = set().union(*(granted(role) for role in [*rendered.all("ClusterRole"), *rendered.all("Role")]))

    assert not {right for right in everything if "*" in right}
    assert not {right for right in everything if right[1].split("/")[0] == "secrets" or right[1].startswith("pods/")}


def test_edit_and_admin_may_use_our_resources_and_view_may_read_them(helm: Path):
    aggregated = {
        to: granted(role)
        for role in render(helm).all("ClusterRole")
        for label, on in role["metadata"]["labels"].items()
        if on == "true" and (to := label.removeprefix("rbac.authorization.k8s.io/aggregate-to-")) != label
    }
    use = rights("holdfast.dev", OURS, "create", "update", "patch", "delete", "get", "list", "watch")

    assert aggregated == {"edit": use, "admin": use, "view": rights("holdfast.dev", OURS, "get", "list", "watch")}


def test_aggregation_can_be_left_to_the_cluster_admin(helm: Path):
    rendered = render(helm, {"rbac": {"aggregateClusterRoles": False}})

    assert [role["metadata"]["name"] for role in rendered.all("ClusterRole")] == ["hf-holdfast.holdfast-system"]


def test_the_account_can_be_one_that_is_there(helm: Path):
    rendered = render(helm, {"serviceAccount": {"create": False, "name": "mine"}})

    assert rendered.all("ServiceAccount") == []
    assert rendered.pod["serviceAccountName"] == "mine"
    assert {b["subjects"][0]["name"] for b in [*rendered.all("RoleBinding"), *rendered.all("ClusterRoleBinding")]} == {
        "mine"
    }
