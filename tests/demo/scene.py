"""The demo's pieces, each of which finds what is there already: images, the chart, the sample, one backup.

The e2e suite plays the same pieces in namespaces of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import stack
from tests.cluster import api, tools
from tests.cluster.api import Cluster
from tests.cluster.settings import from_environment
from tests.cluster.steps import Steps
from tests.demo.errors import DemoError
from tests.stack import kubectl

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs/examples/quickstart.yaml"
EXAMPLE_NAMESPACE = "holdfast-demo"
OPERATOR = "holdfast-operator:dev"
RUNNER = "holdfast-runner-postgres:17"
POSTGRES = "holdfast-test-postgres:17"
STORE = "holdfast-test-seaweedfs:latest"
IMAGES = (OPERATOR, RUNNER, POSTGRES, STORE)
DATABASE = "orders-db"
EMPTY_DATABASE = "orders-restored"
FIRST = "orders-first"
EVERY_MINUTE = ROOT / "docs/examples/every-minute.yaml"
SCHEDULED = "orders-every-minute"
POLICIES, BACKUPS = "backuppolicies.holdfast.dev", "databasebackups.holdfast.dev"
RESTORES = "databaserestores.holdfast.dev"


@dataclass(frozen=True)
class Scene:
    """Where the demo plays. The release's namespace bears its name."""

    cluster: Cluster
    release: str = "holdfast"
    namespace: str = EXAMPLE_NAMESPACE
    scale: float = 1.0
    definitions: bool = True
    """Whether the CRDs come with the release; the e2e suite has them there already."""

    @property
    def registry(self) -> str:
        """Where the nodes of a cluster that is not ours pull from; empty on kind, where images are loaded."""
        return "" if self.cluster.kind else os.environ.get("HOLDFAST_REGISTRY", "")

    def select(self) -> None:
        """Point kubectl, helm and docker of this process at the cluster."""
        os.environ.update(self.cluster.environment)
        os.environ["HOLDFAST_CONTEXT"] = self.cluster.context

    def image(self, name: str) -> str:
        return f"{self.registry}/{name}" if self.registry else name

    # -- images ------------------------------------------------------------------------------------------------

    def build_images(self) -> None:
        if not self.cluster.kind and not self.registry:
            raise DemoError(
                f"The cluster {self.cluster.name} is your own, so its nodes must pull the images from a registry.\n"
                "Set HOLDFAST_REGISTRY to one that you can push to and it can pull from."
            )
        _run([sys.executable, str(ROOT / "images/build.py"), "all"])

    def deliver_images(self) -> None:
        if self.cluster.kind:
            for name in IMAGES:  # each by itself: given all at once, kind loads all where one is new
                api.load([name])
            return
        for name in IMAGES:
            api.docker("tag", name, self.image(name))
            api.docker("push", self.image(name))

    # -- the chart ---------------------------------------------------------------------------------------------

    def install(self) -> None:
        """Install or upgrade Holdfast for the demo's namespace alone, and wait until it is ready."""
        stack.apply([stack.namespace(self.release), stack.namespace(self.namespace)])
        arguments = ["--values", "-", "--wait", "--timeout", "180s", *self._definitions()]
        chart = str(ROOT / "charts/holdfast")
        self._helm("upgrade", "--install", self.release, chart, *arguments, stdin=json.dumps(self._values()))

    def _values(self) -> dict[str, Any]:
        return {
            "registry": self.registry,
            "image": {"tag": "dev"},
            "runner": {"images": {"postgres-15": None, "postgres-17": RUNNER, "postgres-18": None}},
            "watchNamespaces": [self.namespace],
            # the demo shows a deletion minutes after the backup; by default a new backup is left alone for an hour
            "retention": {"graceSeconds": 0},
            # the tag stays the same from build to build; this rolls the operator when the image is another
            "podAnnotations": {"holdfast.dev/demo-image": self._image_id()},
        }

    def _definitions(self) -> list[str]:
        """On kind, the definitions become this release's; on a user's own cluster, another release keeps its own."""
        if self.definitions and (self.cluster.kind or self._definitions_owner() in ("", self.release)):
            return ["--take-ownership"]
        return ["--set", "crds.enabled=false"]

    def _definitions_owner(self) -> str:
        return kubectl(
            *("get", "crd", BACKUPS, "--ignore-not-found"),
            "-o=jsonpath={.metadata.annotations.meta\\.helm\\.sh/release-name}",
        )

    def _image_id(self) -> str:
        argv = ["docker", "image", "inspect", "--format", "{{.Id}}", OPERATOR]
        return _run(argv, quiet=True).strip()

    def uninstall(self) -> None:
        """Remove the release, its namespaces, and the definitions where no resource of any namespace needs them."""
        kubectl("delete", "namespace", self.namespace, "--ignore-not-found", timeout=180)
        self._helm("uninstall", self.release, "--wait", "--ignore-not-found")
        kubectl("delete", "namespace", self.release, "--ignore-not-found", timeout=180)
        if not self.cluster.kind and self._definitions_owner() == self.release:
            self._remove_definitions()

    def _remove_definitions(self) -> None:
        """Only where they came with this release, and no resource of any namespace needs them."""
        if not kubectl("get", f"{POLICIES},{BACKUPS},{RESTORES}", "--all-namespaces", "-o=name").strip():
            kubectl("delete", "-f", str(ROOT / "crds"), timeout=60)

    def _helm(self, *arguments: str, stdin: str | None = None) -> None:
        settings = from_environment()
        tools.ensure(settings, [tools.HELM4], Steps(1))
        where = ["--namespace", self.release, "--kube-context", self.cluster.context]
        _run([str(settings.tools_dir / tools.HELM4.name), *arguments, *where], stdin=stdin, quiet=True)

    # -- the sample --------------------------------------------------------------------------------------------

    def start_servers(self) -> None:
        """A database with a user's own look, an empty one to restore into, and a store."""
        postgres, store = self.image(POSTGRES), self.image(STORE)
        stack.apply(
            [
                *stack.postgres(self.namespace, DATABASE, password="correct horse $HOME \\ battery", image=postgres),
                *stack.postgres(self.namespace, EMPTY_DATABASE, password="staple %41 & more", image=postgres),
                *stack.seaweedfs(self.namespace, image=store),
            ]
        )
        stack.wait_ready(self.namespace, DATABASE, EMPTY_DATABASE, "s3")

    def load_sample(self) -> bool:
        """Returns False where it was there already."""
        return stack.load_sample(self.namespace, DATABASE, scale=self.scale)

    # -- the backup --------------------------------------------------------------------------------------------

    def request_backup(self) -> str:
        """Apply the example; where its backup has ended already, ask for a further one. Returns the one to watch."""
        found = ("get", BACKUPS, "-n", self.namespace, FIRST, "--ignore-not-found")
        ended = kubectl(*found, "-o=jsonpath={.status.completedAt}")
        kubectl("apply", "-f", "-", stdin=self.in_its_namespace(EXAMPLE))
        if not ended.strip():
            return FIRST
        created = kubectl("create", "-f", "-", "-o=jsonpath={.metadata.name}", stdin=json.dumps(self._another()))
        return created.strip()

    def in_its_namespace(self, example: Path) -> str:
        """One of docs/examples, as it stands but for the namespace."""
        return example.read_text().replace(EXAMPLE_NAMESPACE, self.namespace)

    def _another(self) -> dict[str, Any]:
        return {
            "apiVersion": "holdfast.dev/v1alpha1",
            "kind": "DatabaseBackup",
            "metadata": {"generateName": "orders-again-", "namespace": self.namespace},
            "spec": {"policyRef": {"name": "orders"}, "label": "again", "reason": "make demo, run again"},
        }

    def restore(self, name: str) -> dict[str, Any]:
        return dict(json.loads(kubectl("get", RESTORES, "-n", self.namespace, name, "-o=json")))

    def backup(self, name: str) -> dict[str, Any]:
        """The resource as it is now."""
        found: dict[str, Any] = json.loads(kubectl("get", BACKUPS, "-n", self.namespace, name, "-o=json"))
        return found


def _run(argv: Sequence[str], *, stdin: str | None = None, quiet: bool = False) -> str:
    """Run a program that must succeed; its output goes to the terminal, or, when quiet, into the error."""
    sys.stdout.flush()
    pipe = subprocess.PIPE if quiet else None
    done = subprocess.run(argv, input=stdin, stdout=pipe, stderr=pipe, text=True, check=False)
    if done.returncode:
        said = "\n".join((done.stderr or "").strip().splitlines()[-15:]) if quiet else "its own words are above"
        raise DemoError(f"`{Path(argv[0]).name} {argv[1]}` ended with {done.returncode}: {said}")
    return done.stdout or ""
