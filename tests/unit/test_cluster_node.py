"""The node's recipe as read from kind's sources, and the Dockerfile that must have a stage for every image."""

import re
from pathlib import Path

import pytest
from tests.cluster import debian, gobuild, kind_sources, node_recipe, tools
from tests.cluster.errors import ClusterError

CNI = """package nodeimage

const kindnetdImage = "docker.io/kindest/kindnetd:v1"

var defaultCNIImages = []string{kindnetdImage}

const defaultCNIManifest = `
# a template
image: ` + kindnetdImage + `
value: {{ .PodSubnet }}
`
"""
STORAGE = """package nodeimage

const storageProvisionerImage = "docker.io/kindest/local-path-provisioner:v2"
const storageHelperImage = "docker.io/kindest/local-path-helper:v3"

const defaultStorageManifest = `
image: ` + storageProvisionerImage + `
args: [--helper-image, ` + storageHelperImage + `]
image: ` + storageHelperImage + `
`
"""
KUBEADM = """\
registry.k8s.io/kube-apiserver:v1.34.4
registry.k8s.io/kube-controller-manager:v1.34.4
registry.k8s.io/kube-scheduler:v1.34.4
registry.k8s.io/kube-proxy:v1.34.4
registry.k8s.io/coredns/coredns:v1.12.1
registry.k8s.io/pause:3.10.1
registry.k8s.io/etcd:3.6.5-0
"""


@pytest.fixture
def kind(tmp_path: Path) -> kind_sources.KindSources:
    files = {
        "pkg/build/nodeimage/const_cni.go": CNI,
        "pkg/build/nodeimage/const_storage.go": STORAGE,
        "images/base/files/etc/containerd/config.toml": '  sandbox_image = "registry.k8s.io/pause:3.10"\n',
        "images/base/files/kind/bin/mount.sh": "#!/bin/sh\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o444)
    return kind_sources.KindSources.read(tmp_path)


def test_manifests_are_whole_with_their_images(kind: kind_sources.KindSources):
    assert kind.manifests() == {
        "default-cni.yaml": "\n# a template\nimage: docker.io/kindest/kindnetd:v1\nvalue: {{ .PodSubnet }}\n",
        "default-storage.yaml": (
            "\nimage: docker.io/kindest/local-path-provisioner:v2\n"
            "args: [--helper-image, docker.io/kindest/local-path-helper:v3]\n"
            "image: docker.io/kindest/local-path-helper:v3\n"
        ),
    }


def test_another_kind_is_named():
    with pytest.raises(ClusterError, match="no constant defaultCNIManifest"):
        kind_sources.go_text("package nodeimage\n", "defaultCNIManifest")


def test_every_preloaded_image_has_a_stage(kind: kind_sources.KindSources):
    parts = node_recipe.preloaded(KUBEADM, kind.image_names())
    assert "registry.k8s.io/pause:3.10" in parts
    assert "registry.k8s.io/pause:3.10.1" not in parts
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", node_recipe.DOCKERFILE.read_text(), re.MULTILINE))
    assert {node_recipe.stage_of(part) for part in parts} | {node_recipe.NODE_STAGE} == stages


def test_the_dockerfile_copies_just_the_programs_that_are_built():
    copied = set(re.findall(r"bin/(\S+)(?= )", " ".join(_copies(node_recipe.DOCKERFILE.read_text()))))
    assert copied == {program.name for program in gobuild.NODE_PROGRAMS}


def _copies(dockerfile: str) -> list[str]:
    return [line for line in dockerfile.splitlines() if line.startswith("COPY bin/")]


def test_the_context_has_runnable_programs_and_plain_files(kind: kind_sources.KindSources, tmp_path: Path):
    program = tmp_path / "kubelet-1"
    program.write_text("")
    program.chmod(0o755)
    context = tmp_path / "context"
    for _ in range(2):  # the second time over what an interrupted run has left
        node_recipe.stage_context(context, {"kubelet": program}, kind)
    modes = {str(path.relative_to(context)): path.stat().st_mode & 0o777 for path in context.rglob("*")}
    assert modes["kind/kind/bin/mount.sh"] == modes["bin/kubelet"] == modes["kind/etc"] == 0o755
    assert modes["kind/etc/containerd/config.toml"] == 0o644
    assert (context / "version").read_text() == "v1.34.4"


def test_slimming_leaves_copyrights_and_takes_documentation(tmp_path: Path):
    for name in (
        "usr/share/doc/bash/copyright",
        "usr/share/doc/bash/README",
        "usr/share/doc/empty/changelog.gz",
        "usr/share/man/man1/bash.1.gz",
        "usr/share/locale/de/LC_MESSAGES/bash.mo",
        "usr/share/locale/locale.alias",
        "usr/lib/locale/C.utf8/LC_CTYPE",
        "var/lib/apt/lists/deb.debian.org_InRelease",
        "var/log/bootstrap.log",
        "etc/machine-id",
        "etc/hostname",
        "etc/resolv.conf",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    debian.slim(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file() and path.read_text()}
    assert left == {"usr/share/doc/bash/copyright", "usr/share/locale/locale.alias", "usr/lib/locale/C.utf8/LC_CTYPE"}
    assert not (tmp_path / "usr/share/doc/empty").exists()
    assert (tmp_path / "var/lib/apt/lists").is_dir()


def test_sid_has_no_updates_and_others_have_security():
    assert debian.sources("sid", "http://deb.debian.org/debian") == "deb http://deb.debian.org/debian sid main\n"
    assert "http://deb.debian.org/debian-security trixie-security" in debian.sources(
        "trixie", "http://deb.debian.org/debian"
    )


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("kind v0.30.0 go1.25.0 linux/amd64", (0, 30)),
        ("Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0", (1, 32)),
        ("v3.19.0+g3d8990f", (3, 19)),
        ("no version", None),
    ],
)
def test_reads_what_tools_say_of_themselves(text: str, version: tuple[int, int] | None):
    assert tools.version_in(text) == version


@pytest.mark.parametrize(("says", "fits"), [("v3.19.0", True), ("v3.2.0", False), ("v4.3.1", False), ("", False)])
def test_a_tool_on_the_path_is_used_when_it_fits(says: str, fits: bool, tmp_path: Path):
    helm = tmp_path / "helm"
    helm.write_text(f"#!/bin/sh\necho '{says}'\n")
    helm.chmod(0o755)
    assert tools.found_on_path(tools.HELM3, tmp_path / "tools", str(tmp_path)) == (helm if fits else None)
    assert tools.found_on_path(tools.HELM3, tmp_path, str(tmp_path)) is None  # our own links do not count
