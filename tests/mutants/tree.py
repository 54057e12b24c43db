"""A copy of the working tree: edits meanwhile change nothing, and no fault is ever written where people work."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

PACKAGE = Path("operator/holdfast")
DEFAULT = ("decide/**/*.py", "reconcile/**/*.py", "kube/**/*.py", "contract/**/*.py", "runner/*.py")


def copy(root: Path, to: Path) -> None:
    """Take over what git would: all that is committed or not ignored, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=root, capture_output=True, check=True
    ).stdout.decode()
    shutil.rmtree(to, ignore_errors=True)
    for name in listed.split("\0"):
        if name and (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name)


def modules(root: Path, only: Iterable[str]) -> list[str]:
    """The modules to look at, as `decide/outcome.py`; a folder means all in it, but not in folders below; `**` does."""
    package = root / PACKAGE
    found = []
    for name in only:
        pattern = f"{name.rstrip('/')}/*.py" if (package / name).is_dir() else name
        matches = sorted(str(path.relative_to(package)) for path in package.glob(pattern))
        if not matches:
            raise SystemExit(f"no module {name} in {PACKAGE}: name it as in decide/outcome.py")
        found += matches
    return list(dict.fromkeys(found))


def beside(slot: Path, root: Path, module: str, text: str, stamp: int) -> Path:
    """A package of its own with this one fault: for what is imported anew, and for processes that tests start."""
    place = slot / "operator"
    shutil.copytree(root / "operator", place)
    faulty = place / "holdfast" / module
    faulty.write_text(text)
    os.utime(faulty, (stamp, stamp))  # Python knows its bytecode by the second
    return place
