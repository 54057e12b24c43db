"""Things worth keeping are named by what they were made of, and made under a temporary name.

So a name that exists is always whole and current: nothing here ever repairs, expires or overwrites an artefact.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path


def key(texts: Iterable[str], files: Iterable[Path] = ()) -> str:
    """A short name for exactly these words and these files' names and contents."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{len(text)}:{text}".encode())
    for path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{path.name}:{len(content)}:".encode() + content)
    return digest.hexdigest()[:12]


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make(target: Path, maker: Callable[[Path], None]) -> Path:
    """`target`, made by `maker` at the temporary path it is given unless it is there; hold the artefact's lock."""
    if not target.exists():
        unfinished = target.with_name(target.name + ".tmp")
        target.parent.mkdir(parents=True, exist_ok=True)
        remove(unfinished)  # of a run that was interrupted
        maker(unfinished)
        unfinished.replace(target)
    return target
