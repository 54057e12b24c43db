"""The daemon: only a process proven to be our dockerd counts as ours, whatever the pid file says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster import daemon
from tests.cluster.errors import ClusterError
from tests.cluster.settings import Settings, from_environment
from tests.cluster.steps import Steps


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"HOLDFAST_CACHE": str(tmp_path), "HOME": str(tmp_path)})


@pytest.fixture
def sleeper(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A process that calls itself dockerd with our data root, as far as anyone can see."""
    argv = ["dockerd", "-c", "print(flush=True); input()", "--data-root", str(settings.daemon_dir / "data")]
    child = subprocess.Popen(argv, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        assert child.stdout
        assert child.stdout.readline() == b"\n"  # it runs, under its own name
        yield child
        child.kill()


def write_pid(settings: Settings, text: str) -> None:
    settings.daemon_dir.mkdir(parents=True, exist_ok=True)
    (settings.daemon_dir / "pid").write_text(text)


def test_no_pid_file_no_daemon(settings: Settings):
    assert daemon.running_pid(settings) is None


@pytest.mark.parametrize("text", ["", "not a number", "999999999"])
def test_a_broken_or_stale_pid_file_is_no_daemon(settings: Settings, text: str):
    write_pid(settings, text)
    assert daemon.running_pid(settings) is None


def test_a_pid_that_is_someone_elses_now_is_not_ours_and_lives_on(settings: Settings):
    write_pid(settings, str(os.getpid()))
    assert daemon.running_pid(settings) is None
    assert daemon.stop(settings) is False


def test_a_dockerd_of_another_data_root_is_not_ours(settings: Settings, sleeper: subprocess.Popen[bytes]):
    write_pid(settings, str(sleeper.pid))
    assert daemon.running_pid(settings) == sleeper.pid
    other = from_environment({"HOLDFAST_CACHE": str(settings.cache / "other")})
    write_pid(other, str(sleeper.pid))
    assert daemon.running_pid(other) is None


def test_stops_ours_and_waits_for_its_end(settings: Settings, sleeper: subprocess.Popen[bytes]):
    write_pid(settings, str(sleeper.pid))
    assert daemon.stop(settings) is True
    assert daemon.running_pid(settings) is None


def test_an_explicit_host_that_is_silent_is_never_replaced(tmp_path: Path):
    env = {"HOLDFAST_CACHE": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    with pytest.raises(ClusterError, match=r"DOCKER_HOST is unix://.*no daemon answers there; start it or unset"):
        daemon.find(from_environment(env))


def test_a_missing_podman_is_named(tmp_path: Path):
    env = {"HOLDFAST_CACHE": str(tmp_path), "HOLDFAST_DOCKER": "podman-of-nowhere"}
    with pytest.raises(ClusterError, match="podman-of-nowhere does not answer"):
        daemon.ensure(from_environment(env), Steps(1))


def test_without_root_the_remedy_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match="only root can start a private one; install and start Docker or Podman"):
        daemon.ensure(_without_any_daemon(settings, monkeypatch), Steps(1))


def test_a_cache_too_deep_for_a_socket_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    deep = from_environment({"HOLDFAST_CACHE": str(tmp_path / ("d" * 100))})
    with pytest.raises(ClusterError, match=r"set HOLDFAST_CACHE to a shorter one|on Debian only"):
        daemon.ensure(_without_any_daemon(deep, monkeypatch), Steps(1))


def _without_any_daemon(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")  # what the docker command itself would ask
    return settings
