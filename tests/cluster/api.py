"""For the tests: a cluster to talk to, images into it, and the daemon's command line.

With KUBECONFIG or HOLDFAST_KUBECONFIG set, the cluster is the user's own: nothing is made, loaded or deleted there.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import daemon as daemons
from tests.cluster import node_image, tools
from tests.cluster.errors import ClusterError
from tests.cluster.kind import Kind
from tests.cluster.settings import Settings, from_environment
from tests.cluster.shell import attempt
from tests.cluster.steps import Steps


@dataclass(frozen=True)
class Cluster:
    name: str
    kubeconfig: Path
    context: str
    environment: dict[str, str]
    """For programs the tests start: PATH with the tools, DOCKER_HOST, KUBECONFIG."""
    kind: bool
    """False on a cluster of the user's own, where images must come from a registry."""


def ensure_up(*, empty: bool = False) -> Cluster:
    """A cluster that answers: made or mended if need be, or the user's own.

    With `empty`, one of ours holds nothing of an earlier run.
    """
    settings = from_environment()
    return own_cluster(settings) if settings.own_kubeconfig else ensure_kind(settings, empty=empty)


def ensure_kind(settings: Settings, *, empty: bool) -> Cluster:
    steps = Steps(5)
    with steps.step("daemon"):
        daemon = daemons.ensure(settings, steps)
    with steps.step("tools: kind and kubectl"):
        tools.ensure(settings, tools.FOR_CLUSTER, steps)
    with steps.step("node image"):
        image = node_image.ensure(settings, daemon, steps)
    kind = Kind(settings, daemon)
    with kind.locked(steps):
        with steps.step(f"cluster {settings.cluster}"):
            (kind.ensure_empty if empty else kind.ensure)(image, steps)
        with steps.step("DNS and storage"):
            kind.wait_for_addons()
    if kind.image_in_use() != image:
        steps.say(f"the cluster runs {kind.image_in_use()}, an older node image; `down` and `up` renew it")
    env = {**kind.env, "KUBECONFIG": str(settings.kubeconfig)}
    return Cluster(settings.cluster, settings.kubeconfig, f"kind-{settings.cluster}", env, kind=True)


def own_cluster(settings: Settings) -> Cluster:
    """The user's cluster, which must be named twice: the wrong context would be someone's production."""
    path = Path(settings.own_kubeconfig)
    if not settings.own_context:
        raise ClusterError(
            f"A kubeconfig is given ({path}), so tests would run on that cluster, but no context is named; set "
            "HOLDFAST_CONTEXT to the context to use, or unset KUBECONFIG and HOLDFAST_KUBECONFIG to use kind."
        )
    context = settings.own_context
    environment = daemons.Daemon(settings.docker, settings.docker_host, private=False).environment(settings.tools_dir)
    environment["KUBECONFIG"] = str(path)
    argv = ["kubectl", f"--kubeconfig={path}", f"--context={context}", "version", "--request-timeout=10s"]
    answer = attempt(argv, env=environment, timeout=30)
    if answer.returncode:
        raise ClusterError(
            f"Context {context} of {path} does not answer: {answer.stderr.strip()[-300:]}; "
            "check both, or unset KUBECONFIG and HOLDFAST_KUBECONFIG to use kind."
        )
    return Cluster(context, path, context, environment, kind=False)


def load(images: Sequence[str]) -> None:
    """Puts images of the daemon into the kind cluster's nodes."""
    settings = from_environment()
    if settings.own_kubeconfig:
        raise ClusterError(
            f"Images cannot be loaded into a cluster of your own ({settings.own_kubeconfig}); "
            "push them to a registry it can pull from."
        )
    daemon = running_daemon(settings)
    kind = Kind(settings, daemon)
    if not (settings.tools_dir / "kind").exists() or settings.cluster not in kind.clusters():
        raise ClusterError(f"There is no cluster {settings.cluster} to load into; run `python -m tests.cluster up`.")
    kind.load(images)


def running_daemon(settings: Settings) -> daemons.Daemon:
    daemon = daemons.find(settings)
    if daemon is None:
        raise ClusterError("No container daemon answers; run `python -m tests.cluster daemon` or start your own.")
    return daemon


def docker(*args: str) -> None:
    """The daemon's own command line, with this process's standard output and error."""
    settings = from_environment()
    daemon = running_daemon(settings)
    sys.stdout.flush()
    code = subprocess.run([daemon.cli, *args], env=daemon.environment(settings.tools_dir), check=False).returncode
    if code:
        raise ClusterError(
            f"`{Path(daemon.cli).name} {' '.join(args)[:200]}` ended with {code}; its own words are above."
        )
