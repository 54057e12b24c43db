"""Holdfast as a user installs it, by Helm, for the namespaces of one test session."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.cluster import api, tools
from tests.cluster.api import Cluster
from tests.cluster.settings import from_environment
from tests.cluster.steps import Steps
from tests.stack.moto import IMAGE as MOTO

ROOT = Path(__file__).parents[2]
OPERATOR = "holdfast-operator:dev"
RUNNER = "holdfast-runner-postgres:17"
SQLITE_RUNNER = "holdfast-runner-sqlite:3"
AWS_RUNNER = "holdfast-runner-aws:dev"
STAND_INS = ("holdfast-test-postgres:17", "holdfast-test-seaweedfs:latest", MOTO)
IMAGES = (OPERATOR, RUNNER, SQLITE_RUNNER, AWS_RUNNER, *STAND_INS)
# What is not on the nodes must not be chosen.
RUNNERS = {
    "postgres-15": None, "postgres-17": RUNNER, "postgres-18": None, "sqlite-3": SQLITE_RUNNER, "aws": AWS_RUNNER,
}  # fmt: skip


def load_images(cluster: Cluster) -> None:
    """Put the images on the nodes; a cluster of the user's own pulls them from its registry."""
    if cluster.kind:
        for image in IMAGES:  # one by one: given several, kind sends all of them again when one is new
            api.load([image])


def install(cluster: Cluster, release: str, values: dict[str, Any]) -> None:
    """Install and wait until both replicas are ready."""
    settings = from_environment()
    tools.ensure(settings, [tools.HELM4], Steps(1))
    # the session has applied the CRDs already, and another release may own them
    merged = {
        "crds": {"enabled": False},
        "image": {"tag": "dev"},
        "runner": {"images": RUNNERS},
        "queue": {"maxRunning": 1000, "maxRunningPerServer": 0},  # all tests' databases are on the same few servers
        "logLevel": "debug",
    } | values
    helm(
        cluster, "upgrade", "--install", release, str(ROOT / "charts/holdfast"), "--namespace", release,
        "--values", "-", "--wait", "--timeout", "120s", stdin=json.dumps(merged),
    )  # fmt: skip


def uninstall(cluster: Cluster, release: str) -> None:
    """Remove it; the definitions and what is made of them stay."""
    helm(cluster, "uninstall", release, "--namespace", release, "--wait", "--ignore-not-found")


def helm(cluster: Cluster, *arguments: str, stdin: str | None = None) -> str:
    """Run Helm 4 against the cluster under test."""
    command = [
        str(from_environment().tools_dir / tools.HELM4.name), *arguments,
        "--kubeconfig", str(cluster.kubeconfig), "--kube-context", cluster.context,
    ]  # fmt: skip
    done = subprocess.run(command, input=stdin, text=True, capture_output=True, check=False, env=cluster.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
