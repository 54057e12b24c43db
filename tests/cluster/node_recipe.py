"""How a node image is built: kind's own recipe, on Debian, with programs built from Go modules.

This file is part of the image's name: a change here builds it anew. What decides whether to build is in node_image.py.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.cluster import artefact
from tests.cluster.daemon import Daemon
from tests.cluster.errors import ClusterError
from tests.cluster.kind_sources import KindSources
from tests.cluster.settings import HERE, KUBERNETES
from tests.cluster.shell import attempt, pipe, run
from tests.cluster.steps import Steps

DOCKERFILE = HERE / "node" / "Dockerfile"
NODE_STAGE = "node"
CONTAINER = "holdfast-node-image-build"
CONTAINERD_START_SECONDS = 30
ENTRYPOINT = '["/usr/local/bin/entrypoint", "/sbin/init"]'


def stage_of(image: str) -> str:
    """The Dockerfile's stage that makes an image: the last word of its repository."""
    return image.rsplit(":", 1)[0].rsplit("/", 1)[1]


def preloaded(kubeadm_list: str, kind_images: list[str]) -> list[str]:
    """Every image the node must hold, kind's pause in place of kubeadm's."""
    return [name for name in kubeadm_list.split() if stage_of(name) != "pause"] + kind_images


def stage_context(context: Path, programs: Mapping[str, Path], kind: KindSources) -> None:
    """The build context, with the modes kind's own Dockerfile sets."""
    artefact.remove(context)
    shutil.copytree(kind.base_files, context / "kind")
    for path in context.rglob("*"):  # Go keeps its module sources read-only
        is_program = path.is_dir() or path.parent.name == "bin"
        path.chmod(0o755 if is_program else 0o644)
    (context / "bin").mkdir()
    for name, path in programs.items():
        os.link(path, context / "bin" / name)
    (context / "manifests").mkdir()
    for name, text in kind.manifests().items():
        (context / "manifests" / name).write_text(text)
    (context / "version").write_text(KUBERNETES)
    shutil.copy(DOCKERFILE, context)


def build(daemon: Daemon, env: Mapping[str, str], context: Path, parts: list[str], tag: str, steps: Steps) -> None:
    """The image `tag` from a staged context, with the images `parts` in its containerd."""
    base = f"{tag}-base"
    with steps.part("building the images of the node and its control plane"):
        for image, stage in [*((part, stage_of(part)) for part in parts), (base, NODE_STAGE)]:
            run([daemon.cli, "build", "-q", "--target", stage, "-t", image, context], env=env)
    with steps.part("loading the control plane into the node image"):
        _preload(daemon, env, parts, base, tag)
    run([daemon.cli, "image", "rm", *parts, base], env=env)


def _preload(daemon: Daemon, env: Mapping[str, str], parts: list[str], base: str, tag: str) -> None:
    """kind's own way: containerd in a plain container of the image, import without unpacking, commit."""
    attempt([daemon.cli, "rm", "-f", "-v", CONTAINER], env=env)  # of a run that was interrupted
    options = ["--name", CONTAINER, "--entrypoint", "sleep", "--security-opt", "seccomp=unconfined"]
    run([daemon.cli, "run", "-d", *options, base, "infinity"], env=env)
    try:
        _import(daemon, env, parts)
        run([daemon.cli, "commit", "--change", f"ENTRYPOINT {ENTRYPOINT}", CONTAINER, tag], env=env)
    finally:
        run([daemon.cli, "rm", "-f", "-v", CONTAINER], env=env)


def _import(daemon: Daemon, env: Mapping[str, str], parts: list[str]) -> None:
    inside = [daemon.cli, "exec", "-i", CONTAINER]
    quiet = subprocess.DEVNULL
    with subprocess.Popen([*inside, "containerd"], env=env, stdin=quiet, stdout=quiet, stderr=quiet):
        try:
            _wait_for_containerd(inside, env)
            load = [*inside, "ctr", "--namespace=k8s.io", "images", "import", "--all-platforms", "--no-unpack", "-"]
            pipe([daemon.cli, "save", *parts], load, env=env)
        finally:
            run([*inside, "pkill", "-x", "containerd"], env=env)  # else leaving this block would wait for ever


def _wait_for_containerd(inside: list[str], env: Mapping[str, str]) -> None:
    deadline = time.monotonic() + CONTAINERD_START_SECONDS
    while attempt([*inside, "ctr", "version"], env=env, timeout=10).returncode:
        if time.monotonic() > deadline:
            raise ClusterError("containerd does not start in the node image; run its command in the image to see why.")
        time.sleep(0.2)
