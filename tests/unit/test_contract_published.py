"""What is published of the manifests' form is what the models say, all of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.contract import published

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "path",
    [published.SCHEMA, published.GLOBALS_SCHEMA, published.SNAPSHOT_SCHEMA, published.PAGE],
    ids=lambda path: path.name,
)
def test_each_published_file_is_as_the_models_are(path: Path) -> None:
    assert published.files()[path] == (ROOT / path).read_text()


def test_a_command_writes_all_of_it(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "holdfast.contract.published", str(tmp_path)], check=True)
    for path, text in published.files().items():
        assert (tmp_path / path).read_text() == text
