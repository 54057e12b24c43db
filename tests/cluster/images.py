"""Container images in the daemon: whether one is there, and whether a registry has it."""

import select
import subprocess
from collections.abc import Mapping

from tests.cluster.daemon import Daemon
from tests.cluster.shell import attempt

FIRST_WORD_SECONDS = 30
PULL_SECONDS = 900


def present(daemon: Daemon, env: Mapping[str, str], image: str) -> bool:
    return attempt([daemon.cli, "image", "inspect", image], env=env).returncode == 0


def pull(daemon: Daemon, env: Mapping[str, str], image: str) -> bool:
    """Whether the image could be pulled. A registry that stays silent is given up on soon: many firewalls drop."""
    argv = [daemon.cli, "pull", image]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        try:
            if child.stdout and not select.select([child.stdout], [], [], FIRST_WORD_SECONDS)[0]:
                child.kill()
            child.communicate(timeout=PULL_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.returncode == 0
