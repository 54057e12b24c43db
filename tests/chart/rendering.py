"""The chart as Helm renders it, parsed: what the tests of this folder look into."""

import functools
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import yaml_text

CHART = Path(__file__).parents[2] / "charts" / "holdfast"
RELEASE, NAMESPACE = "hf", "holdfast-system"
SERVED = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"
# A Helm that was built from its module believes in Kubernetes 1.20.
KUBERNETES = "1.34.0"

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """All manifests of one rendering."""

    manifests: list[Manifest]

    def all(self, kind: str) -> list[Manifest]:
        return [manifest for manifest in self.manifests if manifest["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> Manifest:
        found = [m for m in self.all(kind) if name in (None, m["metadata"]["name"])]
        assert len(found) == 1, f"{len(found)} of {kind} {name or ''}"
        return found[0]

    @property
    def pod(self) -> Manifest:
        return self.one("Deployment")["spec"]["template"]["spec"]

    @property
    def settings(self) -> str:
        return self.one("ConfigMap")["data"]["settings.json"]


def template(
    helm: Path, values: Manifest | None = None, *options: str, release: str = RELEASE
) -> subprocess.CompletedProcess[str]:
    """Run `helm template`; values travel as JSON on standard input, which is YAML too."""
    command = (str(helm), "template", release, str(CHART), "--namespace", NAMESPACE, "--kube-version", KUBERNETES)
    return _run((*command, "--values", "-", *options), json.dumps(values or {}))


@functools.cache
def _run(command: tuple[str, ...], values: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=values, text=True, capture_output=True, check=False)


def render(helm: Path, values: Manifest | None = None, *options: str, release: str = RELEASE) -> Rendered:
    """Render the chart; whatever Helm says against it fails the test."""
    done = template(helm, values, *options, release=release)
    assert done.returncode == 0, done.stderr
    return Rendered(_parsed(done.stdout))


@functools.cache
def _parsed(text: str) -> list[Manifest]:
    return list(yaml_text.load_all(text))


def refusal(helm: Path, values: Manifest) -> str:
    """Return what Helm says against these values."""
    done = template(helm, values)
    assert done.returncode != 0, "the values were accepted"
    return done.stderr
