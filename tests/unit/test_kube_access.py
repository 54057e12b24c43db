"""Which cluster the operator speaks to: its Pod's own, unless one is named; and as whom."""

from pathlib import Path

import pytest
from kubernetes.aio.config import incluster_config
from tests.fake_server import FakeApi, kubeconfig_for

from holdfast.kube import access
from holdfast.kube.errors import KubeError

HOST, PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """A kubeconfig with one context, `it`."""
    api = FakeApi()
    api.url = "http://named.example.com"
    return kubeconfig_for(api, tmp_path, "the-token-of-a-person")


@pytest.fixture
def in_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a Pod finds in its environment and its files; return the token's."""
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("the-token-of-a-pod\n")
    authority.write_text("a certificate")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority))
    monkeypatch.setenv(HOST, "10.0.0.1")
    monkeypatch.setenv(PORT, "443")
    return token


@pytest.fixture
def at_home(named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubeconfig that kubectl would use is that one."""
    monkeypatch.delenv(HOST, raising=False)
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(named))


@pytest.mark.usefixtures("at_home")
async def test_in_a_pod_it_is_the_pods_own_cluster_as_its_service_account(in_a_pod: Path) -> None:
    configuration = await access.configure()
    found = await access.credentials(configuration)
    assert (found.server, found.token) == ("https://10.0.0.1:443", "the-token-of-a-pod")
    assert (found.ca_file, found.verify) == (str(in_a_pod.parent / "ca.crt"), True)


@pytest.mark.usefixtures("in_a_pod")
async def test_a_file_that_is_named_is_used_in_a_pod_too(named: Path) -> None:
    found = await access.credentials(await access.configure(named))
    assert (found.server, found.token) == ("http://named.example.com", "the-token-of-a-person")


@pytest.mark.usefixtures("at_home")
async def test_a_context_that_is_named_is_used_in_a_pod_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOST, "10.0.0.1")
    assert (await access.configure(context="it")).host == "http://named.example.com"
    with pytest.raises(KubeError, match=r"no access to a cluster: .*other"):
        await access.configure(context="other")


@pytest.mark.usefixtures("at_home")
async def test_outside_a_pod_it_is_the_cluster_that_kubectl_would_ask() -> None:
    assert (await access.configure()).host == "http://named.example.com"


async def test_a_file_that_may_not_be_read_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(KubeError, match=r"no access to a cluster: .*directory"):
        await access.configure(tmp_path)


async def test_a_pod_without_a_token_has_no_access(in_a_pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", f"{in_a_pod}-gone")
    with pytest.raises(KubeError, match="no access to a cluster: Service token file does not exist"):
        await access.configure()


def test_the_namespace_is_the_pods_own_and_none_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "namespace"
    monkeypatch.setattr(access, "NAMESPACE_FILE", place)
    assert access.own_namespace() is None
    place.write_text("holdfast\n")
    assert access.own_namespace() == "holdfast"
