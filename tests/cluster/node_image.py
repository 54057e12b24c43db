"""The node image: kindest/node where a registry has it, else one built here, once, and kept in the daemon."""

from collections.abc import Mapping
from pathlib import Path

from tests.cluster import artefact, debian, gobuild, images, kind_sources, node_recipe
from tests.cluster.daemon import Daemon
from tests.cluster.errors import ClusterError
from tests.cluster.kind_sources import KindSources
from tests.cluster.lock import locked
from tests.cluster.settings import KIND, KUBERNETES, PULLED_NODE_IMAGES, Settings
from tests.cluster.shell import attempt, run
from tests.cluster.steps import Steps

REPOSITORY = "holdfast/node"


def tag() -> str:
    sources = [node_recipe.DOCKERFILE, Path(node_recipe.__file__), Path(kind_sources.__file__)]
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
    parts = node_recipe.preloaded(listed, kind.image_names())
    context = settings.cache / "node-context.tmp"
    try:
        node_recipe.stage_context(context, programs, kind)
        node_recipe.build(daemon, env, context, parts, tag(), steps)
    finally:
        artefact.remove(context)
    _remove_former(daemon, env)
    return tag()


def _remove_former(daemon: Daemon, env: Mapping[str, str]) -> None:
    """Node images of former sources, a gigabyte each; one that a cluster still runs on refuses, and stays."""
    listed = run([daemon.cli, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", REPOSITORY], env=env)
    for former in set(listed.split()) - {tag()}:
        attempt([daemon.cli, "image", "rm", former], env=env)
