"""Files of the checkout that are made from the models: written by `make generate`, held fresh by `make check`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def stale(files: Mapping[Path, str], root: Path) -> list[Path]:
    """Return the files that are absent from the checkout or not what the models make of them."""
    return [path for path, text in files.items() if not (root / path).is_file() or (root / path).read_text() != text]


def write(files: Mapping[Path, str], root: Path) -> None:
    """Write the files."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def main(name: str, files: Mapping[Path, str], arguments: Sequence[str] | None) -> int:
    """Be the command line `python -m NAME [--check] DIR`; return 1 when a file is stale."""
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=f"Write {', '.join(map(str, files))}.")
    parser.add_argument("--check", action="store_true", help="write nothing; say what is stale")
    parser.add_argument("directory", type=Path, help="root of the checkout")
    options = parser.parse_args(arguments)
    if not options.check:
        write(files, options.directory)
        return 0
    found = stale(files, options.directory)
    for path in found:
        sys.stderr.write(f"{path} is stale: run `make generate`\n")
    return 1 if found else 0
