"""The command line tools: the ones on PATH where they are new enough, else built; all linked in one folder."""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import gobuild
from tests.cluster.settings import Settings
from tests.cluster.shell import attempt
from tests.cluster.steps import Steps

Version = tuple[int, int]


@dataclass(frozen=True)
class Tool:
    name: str
    program: gobuild.Program
    on_path: str
    version_args: tuple[str, ...]
    oldest: Version
    below: Version


KIND = Tool("kind", gobuild.KIND_PROGRAM, "kind", ("version",), (0, 30), (1, 0))
KUBECTL = Tool("kubectl", gobuild.KUBECTL, "kubectl", ("version", "--client"), (1, 32), (2, 0))
HELM3 = Tool("helm3", gobuild.HELM3_PROGRAM, "helm", ("version", "--short"), (3, 15), (4, 0))
HELM4 = Tool("helm4", gobuild.HELM4_PROGRAM, "helm", ("version", "--short"), (4, 0), (5, 0))
FOR_CLUSTER = (KIND, KUBECTL)
ALL = (*FOR_CLUSTER, HELM3, HELM4)


def version_in(text: str) -> Version | None:
    found = re.search(r"\bv(\d+)\.(\d+)\.", text)
    return (int(found[1]), int(found[2])) if found else None


def found_on_path(tool: Tool, ours: Path, path: str) -> Path | None:
    """The user's own, when it is of a fitting version; our folder of links does not count."""
    folders = [folder for folder in path.split(os.pathsep) if Path(folder) != ours]
    place = shutil.which(tool.on_path, path=os.pathsep.join(folders))
    if place is None:
        return None
    version = version_in(attempt([place, *tool.version_args], timeout=20).stdout)
    return Path(place) if version and tool.oldest <= version < tool.below else None


def ensure(settings: Settings, tools: Sequence[Tool], steps: Steps) -> None:
    settings.tools_dir.mkdir(parents=True, exist_ok=True)
    for tool in tools:
        built = gobuild.kept_at(settings, tool.program)
        source = built if built.exists() else found_on_path(tool, settings.tools_dir, os.environ["PATH"])
        _link(settings.tools_dir / tool.name, source or gobuild.ensure(settings, tool.program, steps))


def _link(link: Path, source: Path) -> None:
    if link.is_symlink() and link.readlink() == source:
        return
    fresh = link.with_name(f"{link.name}.{os.getpid()}")
    fresh.symlink_to(source)
    fresh.replace(link)
