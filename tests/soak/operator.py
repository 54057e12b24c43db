"""The operator's own process, from this checkout, and its sudden end."""

import asyncio
import json
import random
import socket
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.cluster.api import Cluster

BEGINS = 0.25  # of the lives end while it begins, or soon after; the others once it has worked for a while
BEGINNING, WORK = 6.0, 12.0  # seconds, at the most
SLOWEST = 60.0  # seconds, until one that begins is taken for one that works
PAUSES = (0.0, 0.0, 0.0, 3.0, 8.0)  # seconds until the next one is begun


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return True
    except OSError:
        return False


class Operator:
    """One process at a time, without a Lease: whoever is killed frees none."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._folder = cluster, Path(tempfile.mkdtemp(prefix="soak-"))
        self.log = self._folder / "operator.log"
        self.kills = 0
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
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
        self._port = port
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*argv, stdout=log, stderr=log)

    async def _works(self) -> None:
        """Wait until it says that it is ready."""
        end = time.monotonic() + SLOWEST
        while not await asyncio.to_thread(_is_ready, self._port):
            if time.monotonic() > end:
                return
            await asyncio.sleep(0.2)

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
            begins, part = chance.random() < BEGINS, chance.random()
            if not begins:
                await self._works()
            await asyncio.sleep(part * (BEGINNING if begins else WORK))
            await self.kill()
            pause = chance.choice(PAUSES)
            try:
                await asyncio.sleep(pause)
            finally:
                await self.begin()
