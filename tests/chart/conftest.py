"""Both Helms, from PATH or built, and the cluster for the tests that need one."""

from pathlib import Path

import pytest
from tests.cluster import api, tools
from tests.cluster.settings import from_environment
from tests.cluster.steps import Steps


@pytest.fixture(scope="session", params=[tools.HELM3, tools.HELM4], ids=lambda tool: tool.name)
def helm(request: pytest.FixtureRequest) -> Path:
    settings = from_environment()
    tools.ensure(settings, [request.param], Steps(1))
    return settings.tools_dir / request.param.name


@pytest.fixture(scope="session")
def cluster() -> api.Cluster:
    return api.ensure_up()
