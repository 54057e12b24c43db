"""Both Helms, from PATH or built, and the cluster for the tests that need one."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster import tools
from tests.cluster.settings import from_environment
from tests.cluster.steps import Steps
from tests.e2e.kubectl import Kubectl

ROOT = Path(__file__).parents[2]


def executable(tool: tools.Tool) -> Path:
    settings = from_environment()
    tools.ensure(settings, [tool], Steps(1))
    return settings.tools_dir / tool.name


@pytest.fixture(scope="session", params=[tools.HELM3, tools.HELM4], ids=lambda tool: tool.name)
def helm(request: pytest.FixtureRequest) -> Path:
    return executable(request.param)


@pytest.fixture(scope="session")
def one_helm() -> Path:
    """For what does not depend on Helm's version."""
    return executable(tools.HELM4)


@pytest.fixture(scope="module")
def make_namespace(kubectl: Kubectl) -> Iterator[Callable[[str], str]]:
    """Namespaces under PodSecurity's strictest rule, gone after the module."""
    made: list[str] = []

    def make(stem: str) -> str:
        name = f"chart-{stem}-{secrets.token_hex(3)}"
        kubectl("create", "namespace", name)
        made.append(name)
        kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
        return name

    yield make
    for name in made:
        kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")
