"""A real cluster for every test here: kind's, or the user's own where KUBECONFIG and HOLDFAST_CONTEXT name one."""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.api import Cluster
from tests.e2e.kubectl import Kubectl
from tests.e2e.session import a_world
from tests.e2e.world import World

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if item.get_closest_marker("timeout") is None:
                # of the test alone: the first one to need the cluster may wait many minutes for it
                item.add_marker(pytest.mark.timeout(300, func_only=True))


@contextlib.contextmanager
def fresh_namespace(kubectl: Kubectl, stem: str) -> Iterator[str]:
    """A namespace under PodSecurity's strictest rule, gone afterwards."""
    name = f"{stem}-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    try:
        kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    with fresh_namespace(kubectl, "test") as name:
        yield name


@pytest.fixture(scope="module")
def shared_namespace(kubectl: Kubectl) -> Iterator[str]:
    """One for a whole module, whose tests leave nothing behind that would matter to the others."""
    with fresh_namespace(kubectl, "test") as name:
        yield name


@pytest.fixture(scope="session")
def world(cluster: Cluster, kubectl: Kubectl, crds: None) -> Iterator[World]:
    """Holdfast installed, with a database and a store."""
    with a_world(cluster, kubectl) as the_world:
        yield the_world
