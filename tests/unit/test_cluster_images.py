"""Pulling an image, with a command line that behaves as a registry at hand, a refusing and a silent one make it."""

from pathlib import Path

import pytest
from tests.cluster import images, node_image
from tests.cluster.daemon import Daemon
from tests.cluster.errors import ClusterError
from tests.cluster.settings import PULLED_NODE_IMAGES, Settings, from_environment
from tests.cluster.steps import Steps

NOTHING_PRESENT = '[ "$1 $2" = "image inspect" ] && exit 1; exit 0\n'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"HOLDFAST_CACHE": str(tmp_path / "cache")})


def command_line(tmp_path: Path, script: str, name: str = "docker") -> Daemon:
    path = tmp_path / name
    path.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n{script}')
    path.chmod(0o755)
    return Daemon(str(path), "", private=False)


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def test_a_registry_that_has_it(tmp_path: Path):
    assert images.pull(command_line(tmp_path, "echo Pulling from x\n"), {}, "x:1")


def test_words_on_standard_error_count_as_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(images, "FIRST_WORD_SECONDS", 10)
    assert images.pull(command_line(tmp_path, "echo Trying to pull x >&2\n"), {}, "x:1")


def test_a_registry_that_refuses(tmp_path: Path):
    assert not images.pull(command_line(tmp_path, "echo denied >&2; exit 1\n"), {}, "x:1")


def test_a_silent_registry_is_given_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(images, "FIRST_WORD_SECONDS", 0.1)
    assert not images.pull(command_line(tmp_path, "exec cat /dev/zero > /dev/null\n"), {}, "x:1")


def test_the_pinned_node_image_is_pulled_first(settings: Settings, tmp_path: Path):
    daemon = command_line(tmp_path, NOTHING_PRESENT)
    assert node_image.ensure(settings, daemon, Steps(1)) == PULLED_NODE_IMAGES[0]
    assert calls(tmp_path)[-1] == f"pull {PULLED_NODE_IMAGES[0]}"


def test_an_image_that_is_there_is_not_pulled(settings: Settings, tmp_path: Path):
    daemon = command_line(tmp_path, "exit 0\n")
    assert node_image.ensure(settings, daemon, Steps(1)) == PULLED_NODE_IMAGES[0]
    assert not [call for call in calls(tmp_path) if call.startswith("pull")]


def test_an_image_of_the_users_that_is_nowhere_is_named(tmp_path: Path):
    settings = from_environment({"HOLDFAST_CACHE": str(tmp_path / "c"), "HOLDFAST_NODE_IMAGE": "mine:1"})
    with pytest.raises(ClusterError, match=r"HOLDFAST_NODE_IMAGE is mine:1, which cannot be pulled"):
        node_image.ensure(settings, command_line(tmp_path, "exit 1\n"), Steps(1))


def test_podman_pulls_or_says_what_to_do(settings: Settings, tmp_path: Path):
    with pytest.raises(ClusterError, match=r"let Podman reach a registry that has it, or set HOLDFAST_NODE_IMAGE"):
        node_image.ensure(settings, command_line(tmp_path, "exit 1\n", "podman"), Steps(1))
