"""The container daemon: the one that answers (Docker, or Podman by choice), else a private dockerd of our own.

Ours keeps its data, socket, pid file and log in the cache. Only a process proven to be that dockerd is ever stopped;
a daemon of the user's is never started, stopped or reconfigured.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import runc_wrapper
from tests.cluster.errors import ClusterError
from tests.cluster.lock import locked
from tests.cluster.settings import HERE, Settings
from tests.cluster.shell import attempt, run
from tests.cluster.steps import Steps

START_SECONDS = 60
STOP_SECONDS = 60
ANSWER_SECONDS = 30
DEBIAN_DOCKER = Path("/usr/bin/docker")
NEEDED_PROGRAMS = ("dockerd", "runc", "iptables")
LONGEST_SOCKET_PATH = 100
"""A Unix socket's path ends at 108 bytes; longer ones fail with an error that names neither path nor reason."""


@dataclass(frozen=True)
class Daemon:
    cli: str
    host: str
    private: bool

    def environment(self, tools: Path) -> dict[str, str]:
        """The whole environment for programs which talk to this daemon."""
        env = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
        if self.host:
            env["DOCKER_HOST"] = self.host
        if self.private:
            env["DOCKER_BUILDKIT"] = "1"
        if Path(self.cli).name == "podman":
            env["KIND_EXPERIMENTAL_PROVIDER"] = "podman"
        return env


def ours(settings: Settings) -> Daemon:
    return Daemon(cli=str(DEBIAN_DOCKER), host=f"unix://{settings.daemon_dir}/docker.sock", private=True)


def answers(daemon: Daemon) -> bool:
    env = {**os.environ, "DOCKER_HOST": daemon.host} if daemon.host else None
    return attempt([daemon.cli, "version"], env=env, timeout=ANSWER_SECONDS).returncode == 0


def find(settings: Settings) -> Daemon | None:
    """The daemon to use as things are now, without starting anything."""
    private = ours(settings)
    if settings.docker_host and settings.docker_host != private.host:
        return _explicit(settings)
    if settings.docker == "docker" and running_pid(settings) and answers(private):
        return private
    theirs = Daemon(cli=settings.docker, host="", private=False)
    return theirs if not settings.docker_host and answers(theirs) else None


def _explicit(settings: Settings) -> Daemon:
    theirs = Daemon(cli=settings.docker, host=settings.docker_host, private=False)
    if not answers(theirs):
        raise ClusterError(
            f"DOCKER_HOST is {settings.docker_host}, but no daemon answers there; start it or unset DOCKER_HOST."
        )
    return theirs


def ensure(settings: Settings, steps: Steps) -> Daemon:
    with locked(settings.cache / "locks" / "daemon", steps.waiting):
        found = find(settings)
        if found is None:
            _check_prerequisites(settings)
            _install(steps)
            found = _start(settings)
    if found.private:
        _link_cli(settings)
    return found


def _check_prerequisites(settings: Settings) -> None:
    if settings.docker != "docker":
        raise ClusterError(f"{settings.docker} does not answer `{settings.docker} version`; install or start it.")
    remedy = "install and start Docker or Podman (HOLDFAST_DOCKER=podman), then try again."
    if os.geteuid() != 0:
        raise ClusterError(f"No Docker daemon answers, and only root can start a private one; {remedy}")
    if not Path("/etc/debian_version").exists():
        raise ClusterError(f"No Docker daemon answers, and a private one can be set up on Debian only; {remedy}")
    if len(str(settings.daemon_dir)) > LONGEST_SOCKET_PATH:
        raise ClusterError(
            f"The cache path {settings.cache} is too long for a socket; set HOLDFAST_CACHE to a shorter one."
        )


def _install(steps: Steps) -> None:
    if all(shutil.which(program) for program in NEEDED_PROGRAMS) and DEBIAN_DOCKER.exists():
        return
    with steps.part("installing docker.io"):
        install_packages("docker.io", "iptables")


def install_packages(*names: str) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], env=env)
    run(
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *names],
        env=env,
        remedy=f"Install {' '.join(names)} by hand, then try again.",
    )


def _link_cli(settings: Settings) -> None:
    """A newer docker on PATH may lack BuildKit's plugin; the daemon's own package has the one that fits."""
    settings.tools_dir.mkdir(parents=True, exist_ok=True)
    link = settings.tools_dir / "docker"
    if not link.is_symlink():
        link.symlink_to(DEBIAN_DOCKER)


def running_pid(settings: Settings) -> int | None:
    """The pid of our dockerd, or nothing where the pid file is gone, stale, or its number now someone else's."""
    try:
        pid = int((settings.daemon_dir / "pid").read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    is_ours = Path(os.fsdecode(words[0])).name == "dockerd" and os.fsencode(settings.daemon_dir / "data") in words
    return pid if is_ours else None


def _start(settings: Settings) -> Daemon:
    place = settings.daemon_dir
    place.mkdir(parents=True, exist_ok=True)
    if pid := running_pid(settings):
        _wait_until_answering(settings, pid)
        return ours(settings)
    (place / "pid").unlink(missing_ok=True)
    argv = ["dockerd", "--data-root", str(place / "data"), "--exec-root", str(place / "exec")]
    argv += ["--host", ours(settings).host, "--pidfile", str(place / "pid"), *_runtime_options(place)]
    with (place / "log").open("ab") as log:
        # a session of its own: Ctrl-C in the terminal must not reach the daemon
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    _wait_until_answering(settings, child.pid)
    return ours(settings)


def _runtime_options(place: Path) -> list[str]:
    if runc_wrapper.may_raise_limits(Path("/proc/self/status").read_text()):
        return []
    wrapper = place / "runc-wrapper"
    source = (HERE / "runc_wrapper.py").read_text()
    # the interpreter behind a virtual environment: the wrapper must outlive that environment
    wrapper.write_text(f"#!{os.path.realpath(sys.executable)} -IS\n{source}")
    wrapper.chmod(0o755)
    return ["--add-runtime", f"holdfast={wrapper}", "--default-runtime", "holdfast"]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _wait_until_answering(settings: Settings, pid: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(ours(settings)):
        if not _alive(pid) or time.monotonic() > deadline:
            log = settings.daemon_dir / "log"
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
            raise ClusterError(f"The private dockerd does not answer; its log, {log}, ends with:\n{tail}")
        time.sleep(0.2)


def stop(settings: Settings) -> bool:
    """Ends our dockerd, and only ours; whether there was one."""
    pid = running_pid(settings)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _alive(pid):
        if time.monotonic() > deadline:
            raise ClusterError(f"dockerd (pid {pid}) has not ended {STOP_SECONDS} s after SIGTERM; see its log.")
        time.sleep(0.1)
    return True


def unmount(settings: Settings) -> None:
    """Takes away the mounts that a killed dockerd has left in its own folder; without it that cannot be removed."""
    place = settings.daemon_dir
    mounted = [Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed([point for point in mounted if place in point.parents]):
        run(["umount", point])
