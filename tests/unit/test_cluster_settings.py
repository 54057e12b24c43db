"""Which cluster is meant: kind by default, the user's own only when named in full."""

from pathlib import Path

import pytest
from tests.cluster import api
from tests.cluster.cli import export, main
from tests.cluster.errors import ClusterError
from tests.cluster.settings import from_environment


def test_the_cache_follows_the_environment():
    assert from_environment({"HOME": "/home/a"}).cache == Path("/home/a/.cache/holdfast")
    assert from_environment({"HOME": "/home/a", "XDG_CACHE_HOME": "/var/c"}).cache == Path("/var/c/holdfast")
    assert from_environment({"XDG_CACHE_HOME": "/var/c", "HOLDFAST_CACHE": "/big"}).cache == Path("/big")


def test_the_kubeconfig_is_in_the_cache_and_per_cluster():
    settings = from_environment({"HOLDFAST_CACHE": "/c", "HOLDFAST_CLUSTER": "two"})
    assert settings.kubeconfig == Path("/c/clusters/two/kubeconfig")


def test_a_name_kind_cannot_use_is_refused():
    with pytest.raises(ClusterError, match="HOLDFAST_CLUSTER is 'Big One'"):
        from_environment({"HOLDFAST_CLUSTER": "Big One"})


@pytest.mark.parametrize("variable", ["KUBECONFIG", "HOLDFAST_KUBECONFIG"])
def test_a_given_kubeconfig_needs_its_context_named(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("KUBECONFIG", "HOLDFAST_KUBECONFIG", "HOLDFAST_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "prod"))
    with pytest.raises(ClusterError, match=r"no context is named; set HOLDFAST_CONTEXT .* or unset KUBECONFIG"):
        api.ensure_up()


def test_our_own_kubeconfig_is_kind():
    env = {"HOLDFAST_CACHE": "/c", "HOLDFAST_CLUSTER": "two", "KUBECONFIG": "/c/clusters/holdfast/kubeconfig"}
    assert from_environment(env).own_kubeconfig == ""


def test_the_explicit_variable_wins():
    env = {"KUBECONFIG": "/a", "HOLDFAST_KUBECONFIG": "/b"}
    assert from_environment(env).own_kubeconfig == "/b"


def test_nothing_is_loaded_into_or_deleted_from_a_cluster_of_the_users(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("HOLDFAST_KUBECONFIG", "/home/a/prod")
    assert main(["load", "image:1"]) == 1
    assert "push them to a registry" in capsys.readouterr().err
    assert main(["down"]) == 1
    assert "is your own and is never deleted" in capsys.readouterr().err


def test_a_context_that_does_not_answer_is_named(tmp_path: Path):
    env = {"HOLDFAST_KUBECONFIG": str(tmp_path / "none"), "HOLDFAST_CONTEXT": "prod", "HOLDFAST_CACHE": str(tmp_path)}
    with pytest.raises(ClusterError, match=r"Context prod of .*none does not answer"):
        api.own_cluster(from_environment(env))


def test_exports_are_one_line_a_shell_can_eval():
    line = export(path=Path("/c d/tools"), KUBECONFIG="/c d/k", DOCKER_HOST="")
    assert line == "export KUBECONFIG='/c d/k' PATH='/c d/tools':\"$PATH\""
