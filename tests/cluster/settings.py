"""Where things lie and which versions are used, read once from the environment.

Nothing here touches the disk: asking for the settings must never create anything.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError

KIND = "v0.30.0"
KUBERNETES = "v1.34.4"
HELM3 = "v3.19.0"
HELM4 = "v4.3.1"
PULLED_NODE_IMAGES = (
    f"docker.io/kindest/node:{KUBERNETES}",  # in full, since Podman has no default registry
    # what this kind was released with, should the registry at hand lack the former
    "docker.io/kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a",
)
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    cache: Path
    cluster: str
    docker: str
    docker_host: str
    node_image: str
    debian_mirror: str
    own_kubeconfig: str
    own_context: str

    @property
    def daemon_dir(self) -> Path:
        return self.cache / "daemon"

    @property
    def tools_dir(self) -> Path:
        """What goes in front of PATH: kind, kubectl, helm3, helm4 and, with our own daemon, the docker that fits it."""
        return self.cache / "tools"

    @property
    def kubeconfig(self) -> Path:
        return self.cache / "clusters" / self.cluster / "kubeconfig"


def _own_kubeconfig(env: Mapping[str, str], clusters: Path) -> str:
    explicit = env.get("HOLDFAST_KUBECONFIG") or env.get("KUBECONFIG", "")
    # `eval $(python -m tests.cluster env)` sets KUBECONFIG to a file of ours: that is kind, not the user's own cluster
    return "" if clusters in Path(explicit).parents else explicit


def from_environment(env: Mapping[str, str] = os.environ) -> Settings:
    home = Path(env.get("XDG_CACHE_HOME") or Path(env.get("HOME", "/root")) / ".cache")
    cache = Path(env.get("HOLDFAST_CACHE") or home / "holdfast").absolute()
    cluster = env.get("HOLDFAST_CLUSTER", "holdfast")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,48}[a-z0-9]", cluster):
        raise ClusterError(
            f"HOLDFAST_CLUSTER is {cluster!r}, which kind cannot use as a name; "
            "use 2 to 50 lower-case letters, digits, dots and dashes."
        )
    return Settings(
        cache=cache,
        cluster=cluster,
        docker=env.get("HOLDFAST_DOCKER", "docker"),
        docker_host=env.get("DOCKER_HOST", ""),
        node_image=env.get("HOLDFAST_NODE_IMAGE", ""),
        debian_mirror=env.get("HOLDFAST_DEBIAN_MIRROR", "http://deb.debian.org/debian"),
        own_kubeconfig=_own_kubeconfig(env, cache / "clusters"),
        own_context=env.get("HOLDFAST_CONTEXT", ""),
    )
