"""The node image: kindest/node where a registry has it, else one built here from Go modules and Debian packages.

The built one follows kind's own recipe: base files, manifests and image names are read from kind's sources, never
copied into this repository, so that they cannot drift from the kind in use.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import artefact, debian, gobuild, images
from tests.cluster.daemon import Daemon
from tests.cluster.errors import ClusterError
from tests.cluster.lock import locked
from tests.cluster.settings import HERE, KIND, KUBERNETES, PULLED_NODE_IMAGES, Settings
from tests.cluster.shell import attempt, pipe, run
from tests.cluster.steps import Steps

REPOSITORY = "holdfast/node"
NODE_STAGE = "node"
CONTAINER = "holdfast-node-image-build"
CONTAINERD_START_SECONDS = 30
ENTRYPOINT = '["/usr/local/bin/entrypoint", "/sbin/init"]'


@dataclass(frozen=True)
class KindSources:
    """What kind's `build node-image` knows, read from its Go module."""

    base_files: Path
    cni: str
    storage: str

    @classmethod
    def read(cls, module: Path) -> "KindSources":
        build = module / "pkg/build/nodeimage"
        cni, storage = (build / "const_cni.go").read_text(), (build / "const_storage.go").read_text()
        return cls(module / "images/base/files", cni, storage)

    def manifests(self) -> dict[str, str]:
        return {
            "default-cni.yaml": go_text(self.cni, "defaultCNIManifest"),
            "default-storage.yaml": go_text(self.storage, "defaultStorageManifest"),
        }

    def image_names(self) -> list[str]:
        """The images kind adds to kubeadm's, its own pause (the one containerd is set to) among them."""
        containerd = (self.base_files / "etc/containerd/config.toml").read_text()
        pause = re.findall(r'sandbox_image = "([^"]+)"', containerd)
        return [*pause, *go_strings(self.cni).values(), *go_strings(self.storage).values()]


def go_strings(source: str) -> dict[str, str]:
    return dict(re.findall(r'^const (\w+Image) = "([^"]+)"', source, re.MULTILINE))


def go_text(source: str, name: str) -> str:
    """A Go raw string constant, with the string constants that are spliced into it."""
    found = re.search(rf"^const {name} = `(.*?)^`$", source, re.MULTILINE | re.DOTALL)
    if not found:
        raise ClusterError(
            f"kind's sources have no constant {name}; this kind is not {KIND}, which tests.cluster knows."
        )
    constants = go_strings(source)
    return re.sub(r"` \+ (\w+) \+ `", lambda match: constants[match[1]], found[1])


def stage_of(image: str) -> str:
    """The Dockerfile's stage that makes an image: the last word of its repository."""
    return image.rsplit(":", 1)[0].rsplit("/", 1)[1]


def preloaded(kubeadm_list: str, kind_images: list[str]) -> list[str]:
    """Every image the node must hold, kind's pause in place of kubeadm's."""
    return [name for name in kubeadm_list.split() if stage_of(name) != "pause"] + kind_images


def tag() -> str:
    sources = [HERE / "node" / "Dockerfile", Path(__file__)]
    texts = [KIND, KUBERNETES, *(program.key() for program in gobuild.NODE_PROGRAMS)]
    return f"{REPOSITORY}:{KUBERNETES}-{artefact.key(texts, sources)}"


def find(settings: Settings, daemon: Daemon) -> str | None:
    """The image that is in the daemon already."""
    env = daemon.environment(settings.tools_dir)
    wanted = [settings.node_image] if settings.node_image else [*PULLED_NODE_IMAGES, tag()]
    return next((image for image in wanted if images.present(daemon, env, image)), None)


def ensure(settings: Settings, daemon: Daemon, steps: Steps) -> str:
    with locked(settings.cache / "locks" / "node-image", steps.waiting):
        if found := find(settings, daemon):
            return found
        env = daemon.environment(settings.tools_dir)
        for image in [settings.node_image] if settings.node_image else PULLED_NODE_IMAGES:
            if images.pull(daemon, env, image):
                return image
        if settings.node_image:
            raise ClusterError(
                f"HOLDFAST_NODE_IMAGE is {settings.node_image}, which cannot be pulled; unset or load it."
            )
        return _build(settings, daemon, env, steps)


def _build(settings: Settings, daemon: Daemon, env: Mapping[str, str], steps: Steps) -> str:
    if Path(daemon.cli).name == "podman":
        raise ClusterError(
            f"{PULLED_NODE_IMAGES[0]} cannot be pulled, and a node image is built with Docker only; "
            "let Podman reach a registry that has it, or set HOLDFAST_NODE_IMAGE to an image it has."
        )
    steps.say("kindest/node cannot be pulled here, so a node image is built, once")
    programs = {program.name: gobuild.ensure(settings, program, steps) for program in gobuild.NODE_PROGRAMS}
    debian.ensure_base(settings, daemon, "bookworm", steps)
    kind = KindSources.read(gobuild.module_folder("sigs.k8s.io/kind", KIND))
    listed = run([programs["kubeadm"], "config", "images", "list", "--kubernetes-version", KUBERNETES])
    context = settings.cache / "node-context.tmp"
    try:
        _stage(context, programs, kind)
        with steps.part("building the images of the node and its control plane"):
            parts = preloaded(listed, kind.image_names())
            for image in [*parts, _base_tag()]:
                target = NODE_STAGE if image == _base_tag() else stage_of(image)
                run([daemon.cli, "build", "-q", "--target", target, "-t", image, context], env=env)
        with steps.part("loading the control plane into the node image"):
            _preload(daemon, env, parts)
    finally:
        artefact.remove(context)
    _remove_former(daemon, env)
    return tag()


def _remove_former(daemon: Daemon, env: Mapping[str, str]) -> None:
    """Node images of former sources, a gigabyte each; one that a cluster still runs on refuses, and stays."""
    listed = run([daemon.cli, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", REPOSITORY], env=env)
    for former in set(listed.split()) - {tag()}:
        attempt([daemon.cli, "image", "rm", former], env=env)


def _base_tag() -> str:
    return tag() + "-base"


def _stage(context: Path, programs: Mapping[str, Path], kind: KindSources) -> None:
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
    shutil.copy(HERE / "node" / "Dockerfile", context)


def _preload(daemon: Daemon, env: Mapping[str, str], parts: list[str]) -> None:
    """kind's own way: containerd in a plain container of the image, import without unpacking, commit."""
    attempt([daemon.cli, "rm", "-f", "-v", CONTAINER], env=env)  # of a run that was interrupted
    options = ["--name", CONTAINER, "--entrypoint", "sleep", "--security-opt", "seccomp=unconfined"]
    run([daemon.cli, "run", "-d", *options, _base_tag(), "infinity"], env=env)
    try:
        _import(daemon, env, parts)
        run([daemon.cli, "commit", "--change", f"ENTRYPOINT {ENTRYPOINT}", CONTAINER, tag()], env=env)
    finally:
        run([daemon.cli, "rm", "-f", "-v", CONTAINER], env=env)
    run([daemon.cli, "image", "rm", *parts, _base_tag()], env=env)


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
