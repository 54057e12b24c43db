"""The API server that unit tests act on promises what the real one does; tests/contract asks the same of that one."""

import pytest
from tests.fake_objects import FakeObjects
from tests.kube_contract import KubeContract


class TestFakeObjects(KubeContract):
    @pytest.fixture
    def client(self) -> FakeObjects:
        return FakeObjects()

    @pytest.fixture
    def namespace(self) -> str:
        return "shop"

    @pytest.fixture
    def unique(self) -> str:
        return "t1"
