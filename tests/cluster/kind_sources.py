"""What kind knows about a node, read from the sources of the kind in use: base files, manifests, image names.

Nothing of it is copied into this repository, so it cannot drift from that kind.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.settings import KIND


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
