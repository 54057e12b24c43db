"""kubectl's own word on the certificates that our client and kopf's watches take or refuse."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.certificates import REFUSED, TRUSTED, Shown
from tests.cluster.api import Cluster
from tests.fake_server import FakeApi, kubeconfig_for, serve

from holdfast.kube.kinds import POLICIES


async def kubectl_trusts(made: Callable[[], Shown], cluster: Cluster, folder: Path) -> bool:
    api = FakeApi()
    api.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}})
    async with serve(api, made(), folder) as server:
        config = kubeconfig_for(server, folder, "token")
        argv = ["kubectl", f"--kubeconfig={config}", "get", "--raw", POLICIES.path("shop", "orders")]
        environment = {"PATH": cluster.environment["PATH"], "HOME": str(folder)}
        process = await asyncio.create_subprocess_exec(*argv, env=environment, stderr=asyncio.subprocess.PIPE)
        _, told = await process.communicate()
        assert (process.returncode == 0) or b"certificate" in told, told
        assert bool(server.asked) is (process.returncode == 0)
        return process.returncode == 0


@pytest.mark.parametrize("made", TRUSTED.values(), ids=TRUSTED)
async def test_kubectl_trusts(made: Callable[[], Shown], cluster: Cluster, tmp_path: Path) -> None:
    assert await kubectl_trusts(made, cluster, tmp_path)


@pytest.mark.parametrize("made", REFUSED.values(), ids=REFUSED)
async def test_kubectl_refuses(made: Callable[[], Shown], cluster: Cluster, tmp_path: Path) -> None:
    assert not await kubectl_trusts(made, cluster, tmp_path)
