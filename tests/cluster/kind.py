"""The kind cluster: made, mended, loaded, deleted. Only ever the one cluster that the settings name.

The kubeconfig goes to the cache; the user's ~/.kube/config is never read or written.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.daemon import Daemon
from tests.cluster.errors import ClusterError
from tests.cluster.lock import locked
from tests.cluster.settings import Settings
from tests.cluster.shell import attempt, run
from tests.cluster.steps import Steps

# What a new cluster has: anything else is of an earlier run, of a demo or of somebody's trial.
NAMESPACES = {"default", "kube-node-lease", "kube-public", "kube-system", "local-path-storage"}
# On a busy machine a node may take minutes to be ready; to delete it for that would cost everybody who uses it more.
CREATE_WAIT = "600s"
MEND_SECONDS = 600
ADDONS = (("kube-system", "deployment/coredns"), ("local-path-storage", "deployment/local-path-provisioner"))
CONFIGURATION = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
containerdConfigPatches:
- |-
  # where this machine may not lower OOM scores, no sandbox would start without it
  [plugins."io.containerd.grpc.v1.cri"]
    restrict_oom_score_adj = true
"""


@dataclass(frozen=True)
class Kind:
    settings: Settings
    daemon: Daemon

    @property
    def env(self) -> Mapping[str, str]:
        return self.daemon.environment(self.settings.tools_dir)

    @property
    def complete(self) -> Path:
        """Written when `kind create` has ended well: a cluster without it is half a cluster. Holds `started()`."""
        return self.settings.kubeconfig.with_name("complete")

    def kind(self, *args: str) -> str:
        return run([self.settings.tools_dir / "kind", *args], env=self.env)

    def kubectl(self, *args: str) -> list[str]:
        kubeconfig = f"--kubeconfig={self.settings.kubeconfig}"
        return [str(self.settings.tools_dir / "kubectl"), kubeconfig, f"--context=kind-{self.settings.cluster}", *args]

    def clusters(self) -> list[str]:
        return self.kind("get", "clusters").split()

    def nodes(self) -> dict[str, str]:
        """Container name and state (running, exited, ...) of every node of this cluster."""
        argv = [self.daemon.cli, "ps", "-a", "--filter", f"label=io.x-k8s.kind.cluster={self.settings.cluster}"]
        lines = run([*argv, "--format", "{{.Names}} {{.State}}"], env=self.env).splitlines()
        return dict(line.split(maxsplit=1) for line in lines)

    def started(self) -> str:
        """When the node's containers started last."""
        return run([self.daemon.cli, "inspect", "--format", "{{.State.StartedAt}}", *self.nodes()], env=self.env)

    def image_in_use(self) -> str:
        return (self.settings.kubeconfig.parent / "image").read_text()

    def locked(self, steps: Steps) -> AbstractContextManager[None]:
        return locked(self.settings.cache / "locks" / f"cluster-{self.settings.cluster}", steps.waiting)

    def ready(self) -> bool:
        """Whether the API answers and every node is Ready."""
        jsonpath = "{.items[*].status.conditions[?(@.type=='Ready')].status}"
        answer = attempt(
            self.kubectl("get", "nodes", "--request-timeout=5s", f"-o=jsonpath={jsonpath}"), env=self.env, timeout=20
        )
        states = answer.stdout.split()
        return answer.returncode == 0 and bool(states) and set(states) == {"True"}

    def ensure(self, image: str, steps: Steps) -> None:
        nodes = self.nodes()
        if nodes and not self._mend(nodes, steps):
            steps.say("the former cluster cannot be mended, so it is made anew")
            self.delete()
            nodes = {}
        if not nodes:
            self._create(image, steps)

    def ensure_empty(self, image: str, steps: Steps) -> None:
        """Where an earlier run left something, which would take processor time from what runs now: make it anew."""
        self.ensure(image, steps)
        names = run(self.kubectl("get", "namespaces", "-o=jsonpath={.items[*].metadata.name}"), env=self.env).split()
        if left := sorted(set(names) - NAMESPACES):
            steps.say(f"an earlier run left {', '.join(left)}, so the cluster is made anew")
            self.delete()
            self._create(image, steps)

    def _mend(self, nodes: dict[str, str], steps: Steps) -> bool:
        if not self.complete.exists():
            return False
        stopped = [name for name, state in nodes.items() if state != "running"]
        if stopped:
            steps.say(f"starting the stopped {', '.join(stopped)}")
            if attempt([self.daemon.cli, "start", *stopped], env=self.env).returncode:
                return False
        self.kind(
            "export", "kubeconfig", "--name", self.settings.cluster, "--kubeconfig", str(self.settings.kubeconfig)
        )
        deadline = time.monotonic() + MEND_SECONDS
        while not self.ready():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)
        return True

    def _create(self, image: str, steps: Steps) -> None:
        place = self.settings.kubeconfig.parent
        place.mkdir(parents=True, exist_ok=True)
        self.complete.unlink(missing_ok=True)
        (place / "kind.yaml").write_text(CONFIGURATION)
        (place / "image").write_text(image)
        with steps.part("kind create cluster (about 20 s)"):
            run(
                [
                    *(self.settings.tools_dir / "kind", "create", "cluster", "--name", self.settings.cluster),
                    *("--config", place / "kind.yaml", "--image", image, "--wait", CREATE_WAIT),
                    *("--kubeconfig", self.settings.kubeconfig),
                ],
                env=self.env,
                remedy="Run the same with `-v 3 --retain` added, then `kind export logs`, to see why.",
            )
        self.complete.write_text(self.started())

    def wait_for_addons(self) -> None:
        """kind's --wait covers the control plane only: DNS and storage come a little later."""
        if self.complete.read_text() != self.started():
            # after a restart the API server still shows the pods of before as ready; fresh ones tell the truth
            for namespace, what in ADDONS:
                run(self.kubectl("rollout", "restart", "-n", namespace, what), env=self.env)
        for namespace, what in ADDONS:
            run(self.kubectl("rollout", "status", "-n", namespace, what, "--timeout=180s"), env=self.env)
        self.complete.write_text(self.started())

    def load(self, images: Sequence[str]) -> None:
        self.kind("load", "docker-image", "--name", self.settings.cluster, *images)

    def delete(self) -> None:
        kubeconfig = str(self.settings.kubeconfig)
        self.kind("delete", "cluster", "--name", self.settings.cluster, "--kubeconfig", kubeconfig)
        self.complete.unlink(missing_ok=True)

    def remove_network(self) -> None:
        """kind leaves its network behind; with clusters still in it, it stays."""
        if self.clusters() or attempt([self.daemon.cli, "network", "inspect", "kind"], env=self.env).returncode:
            return
        if attempt([self.daemon.cli, "network", "rm", "kind"], env=self.env).returncode:
            raise ClusterError(
                "The network `kind` could not be removed; something else is attached to it, see "
                "`python -m tests.cluster docker -- network inspect kind`."
            )
