"""Every resource that the docs show is accepted by a real API server, checked strictly and changing nothing."""

import re
from pathlib import Path

import pytest
import yaml

from holdfast import naming

pytestmark = pytest.mark.usefixtures("crds")

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "charts").rglob("*.md")]
FENCED = re.compile(r"^```ya?ml\b[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def sources():
    """(where, text) of every example file, and of every fenced block that holds a resource of ours."""
    for file in sorted((ROOT / "docs/examples").glob("*.yaml")):
        yield file.name, file.read_text()
    for page in sorted(PAGES):
        for number, block in enumerate(FENCED.findall(page.read_text()), 1):
            if naming.API_VERSION in block:
                yield f"{page.relative_to(ROOT)}:{number}", block


SHOWN = [
    pytest.param(document, id=f"{where}:{document['kind']}")
    for where, text in sources()
    for document in yaml.safe_load_all(text)
    if "kind" in document  # a part of another's resource may name one of ours
]


@pytest.mark.parametrize("document", SHOWN)
def test_what_the_docs_show_is_accepted(kubectl, shared_namespace, document):
    here = {**document, "metadata": {**document["metadata"], "namespace": shared_namespace}}
    said = kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=[here])
    assert "created (server dry run)" in said


def test_the_docs_show_each_kind():
    assert {"BackupPolicy", "DatabaseBackup"} <= {each.values[0]["kind"] for each in SHOWN}
