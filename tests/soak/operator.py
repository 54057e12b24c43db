"""The operator's own process, from this checkout, and its sudden end."""

import asyncio
import json
import random
import socket
import sys
import tempfile
from pathlib import Path

from tests.cluster.api import Cluster

LIFE = (1.0, 20.0)  # seconds; it takes some of them to begin
PAUSES = (0.0, 0.0, 0.0, 3.0, 8.0)  # seconds until the next one is begun


class Operator:
    """One process at a time, without a Lease: whoever is killed frees none."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._folder = cluster, Path(tempfile.mkdtemp(prefix="soak-"))
        self.log = self._folder / "operator.log"
        self.kills = 0
        self._process: asyncio.subprocess.Process | None = None
        settings = {
            "images": {"postgres-17": "holdfast-runner-postgres:17"}, "watchNamespaces": [namespace],
            "retentionGraceSeconds": 0, "queue": {"maxRunning": 10, "maxRunningPerServer": 0},
        }  # fmt: skip
        (self._folder / "settings.json").write_text(json.dumps(settings))

    async def begin(self) -> None:
        """Start it."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        argv = [
            sys.executable, "-m", "holdfast.process", "--settings", str(self._folder / "settings.json"),
            "--kubeconfig", str(self._cluster.kubeconfig), "--context", self._cluster.context,
            "--port", str(port), "--no-leader-election",
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*argv, stdout=log, stderr=log)

    async def kill(self) -> None:
        """SIGKILL it."""
        assert self._process is not None
        if self._process.returncode is not None:
            raise AssertionError(f"the operator ended by itself, with {self._process.returncode}: {self.log}")
        self._process.kill()
        await self._process.wait()
        self.kills += 1

    async def stop(self) -> None:
        """End what is left of it."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def is_killed_again_and_again(self, chance: random.Random) -> None:
        """Until this is cancelled; then one is there, or soon is."""
        await self.begin()
        while True:
            await asyncio.sleep(chance.uniform(*LIFE))
            await self.kill()
            pause = chance.choice(PAUSES)
            try:
                await asyncio.sleep(pause)
            finally:
                await self.begin()
