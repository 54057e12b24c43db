"""Takes away what `up` made: the cluster, kind's network, our own daemon; the cache only when asked.

It must leave alone what others made: other clusters, a daemon that is not ours, images that are not ours.
"""

from tests.cluster import artefact, node_image
from tests.cluster import daemon as daemons
from tests.cluster.daemon import Daemon
from tests.cluster.errors import ClusterError
from tests.cluster.kind import Kind
from tests.cluster.settings import Settings
from tests.cluster.shell import run
from tests.cluster.steps import Steps


def down(settings: Settings, steps: Steps, *, with_cache: bool) -> None:
    if settings.own_kubeconfig:
        raise ClusterError(
            f"The cluster in {settings.own_kubeconfig} is your own and is never deleted; unset KUBECONFIG."
        )
    others: list[str] = []
    with steps.step(f"cluster {settings.cluster}"):
        daemon = _daemon(settings, steps)
        if daemon and (settings.tools_dir / "kind").exists():
            others = _delete_cluster(Kind(settings, daemon), steps)
    with steps.step("daemon"):
        if others:
            steps.say(f"left running for {', '.join(others)}")
        elif not daemons.stop(settings):
            steps.say("none of ours was running")
    if with_cache:
        with steps.step(f"cache {settings.cache}"):
            _remove_cache(settings, daemon, others)


def _daemon(settings: Settings, steps: Steps) -> Daemon | None:
    found = daemons.find(settings)
    if found is None and (settings.daemon_dir / "data").exists():
        # ours has died, maybe with containers left running: only dockerd itself can take those away cleanly
        return daemons.ensure(settings, steps)
    return found


def _delete_cluster(kind: Kind, steps: Steps) -> list[str]:
    """Deletes it, and names the clusters that are left."""
    with kind.locked(steps):
        kind.delete()
        kind.remove_network()
    return kind.clusters()


def _remove_cache(settings: Settings, daemon: Daemon | None, others: list[str]) -> None:
    if others:
        raise ClusterError(
            f"The cache is in use by {', '.join(others)}; take those down first (HOLDFAST_CLUSTER=NAME)."
        )
    if daemon and not daemon.private:
        env = daemon.environment(settings.tools_dir)
        found = run([daemon.cli, "image", "ls", "-q", node_image.REPOSITORY], env=env).split()
        if found:
            run([daemon.cli, "image", "rm", *found], env=env)
    daemons.unmount(settings)
    artefact.remove(settings.cache)
