"""The API servers that unit tests act on promise what the real one does; tests/contract asks the same of that one."""

from collections.abc import AsyncIterator

import pytest
from kubernetes.aio.client.configuration import Configuration
from tests.fake_objects import FakeObjects
from tests.fake_server import FakeApi, serve
from tests.kube_contract import KubeContract
from tests.patience import ENOUGH

from holdfast.kube.client import KubeClient


@pytest.fixture
def namespace() -> str:
    return "shop"


@pytest.fixture
def unique() -> str:
    return "t1"


class TestFakeObjects(KubeContract):
    @pytest.fixture
    def client(self) -> FakeObjects:
        return FakeObjects()


class TestFakeApi(KubeContract):
    @pytest.fixture
    async def client(self) -> AsyncIterator[KubeClient]:
        async with serve(FakeApi()) as api:
            client = KubeClient(Configuration(host=api.url), timeout=ENOUGH)
            yield client
            await client.close()
