"""Containers for the integration tests: thin words around the docker command line."""

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def docker(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """Run docker; return what it printed. Raises AssertionError with what it said."""
    done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0 or not check, f"docker {' '.join(arguments[:3])}: {done.stderr.strip()}"
    return done.stdout


def inspect(container: str) -> dict[str, Any]:
    return json.loads(docker("inspect", container))[0]


def published_port(container: str, port: int) -> int:
    return int(docker("port", container, f"{port}/tcp").splitlines()[0].rsplit(":", 1)[1])


def pause(container: str) -> None:
    """Freeze a container. A busy kernel may refuse at first ("unable to freeze")."""
    wait_for(lambda: docker("pause", container, check=False), f"{container} to freeze", 30)


def unpause(container: str) -> None:
    docker("unpause", container)


def remove(*containers: str) -> None:
    docker("rm", "--force", "--volumes", *containers, check=False)


def wait_for(condition: Callable[[], T], what: str, seconds: float = 60) -> T:
    """Wait until the condition holds; return what it gave. Raises AssertionError after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < until, f"after {seconds} s still waiting for {what}"
        time.sleep(0.05)
