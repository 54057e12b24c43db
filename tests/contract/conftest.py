"""A real API server for every test here: kind's, or the user's own where KUBECONFIG and HOLDFAST_CONTEXT name one."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.cluster.api import Cluster
from tests.e2e.kubectl import Kubectl

from holdfast.kube.access import configure
from holdfast.kube.client import KubeClient

HERE = Path(__file__).parent
CRDS = HERE.parents[1] / "crds"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(90, func_only=True))


@pytest.fixture(scope="session")
def shared_namespace(kubectl: Kubectl) -> Iterator[str]:
    """One namespace for the session; each test names its own objects."""
    name = f"contract-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def namespace(shared_namespace: str) -> str:
    return shared_namespace


@pytest.fixture
def unique() -> str:
    """A word for the names and labels of one test."""
    return f"t{secrets.token_hex(5)}"


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[KubeClient]:
    client = KubeClient(await configure(cluster.kubeconfig, cluster.context))
    yield client
    await client.close()
    # A call that was cut off closes its connection by TLS's rules, which take a moment longer.
    open_files = asyncio.get_running_loop()._selector.get_map()
    async with asyncio.timeout(10):
        while len(open_files) > 1:  # noqa: ASYNC110 - the loop's own pipe stays
            await asyncio.sleep(0.01)
