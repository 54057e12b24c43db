"""Which files of tests can run a module at all: those that import it, or something that does."""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def those_that_may_run(root: Path, files: Iterable[str], modules: Iterable[str]) -> list[str]:
    """Return the files that reach one of the modules; one that starts Python by itself may reach each."""
    wanted = {root / "operator" / "holdfast" / module for module in modules}
    return [
        file for file in files if "sys.executable" in (root / file).read_text() or wanted & _reached(root, root / file)
    ]


def those_that_import(root: Path, files: Iterable[str], module: str) -> set[str]:
    """Return the files that name the module in an import themselves."""
    wanted = root / "operator" / "holdfast" / module
    return {file for file in files if wanted in _imported(root, root / file)}


def _reached(root: Path, start: Path) -> set[Path]:
    found, ahead = {start}, [start]
    while ahead:
        for path in _imported(root, ahead.pop()) - found:
            found.add(path)
            ahead.append(path)
    return found


@cache
def _imported(root: Path, path: Path) -> set[Path]:
    """The files of ours that one names in an import, wherever in it, with the packages around them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    places = [place for name in names for place in _places(root, name)]
    return {place for place in places if place.is_file()}


def _places(root: Path, name: str) -> list[Path]:
    parts = name.split(".")
    top = root / "operator" if parts[0] == "holdfast" else root
    return [
        place
        for count in range(1, len(parts) + 1)
        for place in (top.joinpath(*parts[:count]).with_suffix(".py"), top.joinpath(*parts[:count], "__init__.py"))
    ]
