"""What is kept in the cache: named by all it is made of, and never half made."""

from pathlib import Path

import pytest
from tests.cluster import artefact, gobuild, node_image
from tests.cluster.errors import ClusterError


def test_a_key_changes_with_words_files_and_their_names(tmp_path: Path):
    file = tmp_path / "go.mod"
    file.write_text("module x\n")
    first = artefact.key(["v1"], [file])
    assert artefact.key(["v1"], [file]) == first
    assert artefact.key(["v2"], [file]) != first
    renamed = file.rename(tmp_path / "go.sum")
    assert artefact.key(["v1"], [renamed]) != first
    renamed.write_text("module y\n")
    assert artefact.key(["v1"], [renamed]) not in {first, artefact.key(["v1"])}


def test_a_key_tells_apart_where_words_end():
    assert artefact.key(["ab", "c"]) != artefact.key(["a", "bc"])


def test_makes_once(tmp_path: Path):
    made = []

    def maker(path: Path) -> None:
        made.append(path)
        path.write_text("whole")

    target = tmp_path / "bin" / "kind-1"
    assert artefact.make(target, maker) == artefact.make(target, maker) == target
    assert target.read_text() == "whole"
    assert len(made) == 1
    assert list(target.parent.iterdir()) == [target]


def test_an_interrupted_maker_leaves_nothing_that_looks_whole(tmp_path: Path):
    target = tmp_path / "node"

    def interrupted(path: Path) -> None:
        path.mkdir()
        (path / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        artefact.make(target, interrupted)
    assert not target.exists()
    artefact.make(target, lambda path: path.write_text("whole"))
    assert target.read_text() == "whole"


def test_a_program_is_keyed_by_its_own_sources_and_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gobuild, "MODULES", tmp_path)
    (tmp_path / "kubernetes" / "netd").mkdir(parents=True)
    for name in ("go.mod", "go.sum", "netd/main.go"):
        (tmp_path / "kubernetes" / name).write_text(name)
    ours = gobuild.Program("netd", "./netd", "kubernetes")
    theirs = gobuild.Program("kubelet", "k8s.io/kubernetes/cmd/kubelet", "kubernetes")
    before = ours.key(), theirs.key()
    (tmp_path / "kubernetes" / "netd" / "main.go").write_text("changed")
    assert ours.key() != before[0]
    assert theirs.key() == before[1]
    (tmp_path / "kubernetes" / "go.sum").write_text("changed")
    assert theirs.key() != before[1]


def test_the_node_image_is_named_by_its_programs(monkeypatch: pytest.MonkeyPatch):
    before = node_image.tag()
    assert node_image.tag() == before
    monkeypatch.setattr(gobuild, "NODE_PROGRAMS", gobuild.NODE_PROGRAMS[1:])
    assert node_image.tag() != before


def test_every_module_has_its_pins_committed():
    for program in gobuild.NODE_PROGRAMS:
        assert program.module or "@v" in program.package
        assert all(path.is_file() for path in program.sources())


@pytest.mark.parametrize(
    ("says", "reason"), [("go version go1.22.1 linux/amd64", "not 'go version go1.22.1"), ("", "")]
)
def test_an_old_go_is_named_with_its_remedy(says: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "go").write_text(f"#!/bin/sh\necho '{says}'\n")
    (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match=r"kind is not here.* install Go 1\.24 or newer") as caught:
        gobuild.check_go("kind")
    assert reason in str(caught.value)


def test_without_go_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match=r"kind is not here, so it must be built, and there is no `go` on PATH"):
        gobuild.check_go("kind")
