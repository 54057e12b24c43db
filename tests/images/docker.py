"""The test cluster's container daemon, for tests that run an image directly, and the confinement of a Job's Pod."""

import functools
import json
import subprocess
from typing import Any

from images import build
from tests.cluster import api
from tests.cluster.settings import from_environment

AS_A_POD = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
TIMEOUT_SECONDS = 120


class Docker:
    """`docker("run", …)` gives standard output and insists on success; `attempt` gives whatever came of it."""

    def __init__(self) -> None:
        settings = from_environment()
        daemon = api.running_daemon(settings)
        self._cli, self._env = daemon.cli, daemon.environment(settings.tools_dir)

    def attempt(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        argv = [self._cli, *words]
        return subprocess.run(
            argv, env=self._env, input=stdin, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )

    def __call__(self, *words: str, stdin: str = "") -> str:
        done = self.attempt(*words, stdin=stdin)
        assert done.returncode == 0, f"docker {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def inspect(self, image: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self("image", "inspect", image))
        return found[0]


@functools.cache
def built(key: str, suite: str = "trixie") -> str:
    """The reference of an image as the checkout now says it, built once in a test run, mostly from the cache."""
    return build.build_all(build.parser().parse_args([key, "--suite", suite]))[0].reference
