"""What holds for all tests."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings
from tests.cluster import api
from tests.cluster.api import Cluster
from tests.e2e.kubectl import Kubectl

CRDS = Path(__file__).parents[1] / "crds"

# What is imported and collected stays: to look for garbage in it again and again took a fifth of all the time.
gc.disable()

# How long an example takes says nothing about the code on a machine that does something else as well. Every run of the
# fast tests looks at other examples; `make matrix` looks at ten times as many (--hypothesis-profile=full).
settings.register_profile("fast", deadline=None, max_examples=10)
settings.register_profile("full", deadline=None, max_examples=100)
settings.register_profile("mutants", deadline=None, max_examples=10, derandomize=True, database=None)
settings.load_profile("fast")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """As many as there are processors: one more takes longer to collect the tests than it saves by those that wait."""
    return len(os.sched_getaffinity(0))


def pytest_collection_finish():
    gc.freeze()
    gc.enable()
    gc.set_threshold(50_000)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """A real cluster: kind's, or the user's own where KUBECONFIG and HOLDFAST_CONTEXT name one."""
    return api.ensure_up()


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster) -> Kubectl:
    return Kubectl(cluster)


@pytest.fixture(scope="session")
def crds(kubectl: Kubectl) -> None:
    """The definitions as committed; they stay when the tests end, as the resources of others may be there."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
