"""What the operator relies on an API server for, asked of a real one; tests/unit/test_fake_objects.py asks the fake."""

import pytest
from tests.kube_contract import KubeContract


@pytest.mark.usefixtures("crds")
class TestRealApiServer(KubeContract):
    pass
