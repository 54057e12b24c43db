"""The containers that bring faults: a store that fails on request, and what makes a database server hostile."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.runner.containers import docker, published_port, remove, wait_for
from tests.integration.runner.world import World

HERE = Path(__file__).parent
IMAGE = "holdfast-runner-postgres:17"  # for its Python


def start(world: World, name: str, script: str, *arguments: str, options: tuple[str, ...] = ()) -> None:
    """Run a script of this folder in a container of the network; return when it listens."""
    docker(
        "run", "--detach", "--name", name, "--network", world.network, *options, "--entrypoint", "python3",
        "--volume", f"{HERE / script}:/{script}:ro", IMAGE, f"/{script}", *arguments,
    )  # fmt: skip
    wait_for(lambda: "listening" in logs(name), f"{script} to listen")


def logs(name: str) -> str:
    import subprocess

    done = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


class FaultyStore:
    """The world's store, seen through a proxy that fails on request; used wherever a store is."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.endpoint = f"http://{name}:8333"
        self.access_key = world.store.access_key
        self.secret_key = world.store.secret_key
        self._world = world

    @contextmanager
    def running(self) -> Iterator["FaultyStore"]:
        start(
            self._world, self.name, "faulty_store.py", f"{self._world.store.name}:8333",
            options=(
                "--publish", "127.0.0.1::8333",
                "--env", f"ACCESS_KEY={self.access_key}", "--env", f"SECRET_KEY={self.secret_key}",
            ),
        )  # fmt: skip
        self._url = f"http://127.0.0.1:{published_port(self.name, 8333)}"
        try:
            yield self
        finally:
            remove(self.name)

    @contextmanager
    def behaving(self, *rules: dict[str, Any]) -> Iterator[None]:
        """Have it follow these rules while the block runs."""
        self._post("_rules", rules)
        try:
            yield
        finally:
            self._post("_rules", ())

    def waits(self) -> int:
        """Tell how many requests it holds back."""
        return int(self._post("_waiting", ())["waiting"])

    def release(self, *texts: str) -> None:
        """Let it go on with what it holds back: with all, or with requests that have one of these texts in the body."""
        self._post("_release", texts)

    def _post(self, what: str, body: tuple[dict[str, Any] | str, ...]) -> dict[str, Any]:
        asked = urllib.request.Request(f"{self._url}/{what}", json.dumps(body).encode(), method="POST")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=10) as answer:
            return dict(json.load(answer))


@contextmanager
def hostile(world: World, mode: str, name: str = "", before: str = "") -> Iterator[str]:
    """Put what hostile_server.py describes before a server, the world's if none is named; the name of its host."""
    name = name or f"{world.network}-hostile-{mode}"
    start(world, name, "hostile_server.py", mode, before or world.db.name)
    try:
        yield name
    finally:
        remove(name)
