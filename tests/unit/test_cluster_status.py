"""What `status` shows, and the configuration kind is given."""

import os
from pathlib import Path

import pytest
from tests import yaml_text
from tests.cluster import daemon, kind, status
from tests.cluster.settings import from_environment


def test_the_table_is_aligned():
    assert status.table([("daemon", "none answers"), ("node image", "none yet")]) == (
        "daemon      none answers\nnode image  none yet"
    )


def test_a_cluster_of_the_users_is_only_named():
    settings = from_environment({"HOLDFAST_KUBECONFIG": "/home/a/prod"})
    assert status.rows(settings) == [("cluster", "your own: /home/a/prod, context not named")]


def test_size_counts_hard_links_once_and_follows_no_links(tmp_path: Path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kind").write_bytes(b"x" * 100_000)
    before = status.size(tmp_path)
    assert before >= 100_000
    os.link(tmp_path / "bin" / "kind", tmp_path / "kind")
    (tmp_path / "bin" / "everything").symlink_to("/usr")
    assert status.size(tmp_path) - before < 10_000


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path):
    assert status.size(tmp_path / "none") == 0


def test_kind_gets_one_patch_of_several_lines():
    configuration = yaml_text.load(kind.CONFIGURATION)
    [patch] = configuration["containerdConfigPatches"]
    assert '[plugins."io.containerd.grpc.v1.cri"]\n  restrict_oom_score_adj = true' in patch


def test_a_daemons_environment_names_its_address_and_puts_our_tools_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", "/usr/bin")
    private = daemon.ours(from_environment({"HOLDFAST_CACHE": str(tmp_path)}))
    env = private.environment(tmp_path / "tools")
    assert env["DOCKER_HOST"] == f"unix://{tmp_path}/daemon/docker.sock"
    assert env["PATH"] == f"{tmp_path}/tools:/usr/bin"
    assert env["DOCKER_BUILDKIT"] == "1"


def test_podman_is_told_to_kind(tmp_path: Path):
    podman = daemon.Daemon("podman", "", private=False)
    assert podman.environment(tmp_path)["KIND_EXPERIMENTAL_PROVIDER"] == "podman"
