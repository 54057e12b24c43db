"""A container runtime in front of runc that lowers what this machine's own limits cannot grant.

Privileged containers, which kind needs, ask for every capability; where the bounding set lacks CAP_SYS_RESOURCE runc
refuses them. This takes that capability out of the container's (and of every exec's) configuration, and clamps rlimits
and a negative oomScoreAdj to what this process has. With the capability there it changes nothing.
It is copied next to the daemon's socket and runs alone: it must import nothing but the standard library.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

RUNC = "/usr/sbin/runc"
CAPABILITY = "CAP_SYS_RESOURCE"
CAPABILITY_BIT = 24


def may_raise_limits(status: str) -> bool:
    """Whether the bounding set in this text of /proc/self/status holds CAP_SYS_RESOURCE."""
    for line in status.splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> CAPABILITY_BIT & 1)
    return True


def option(args: list[str], *names: str) -> str | None:
    for index, word in enumerate(args):
        for name in names:
            if word == name and index + 1 < len(args):
                return args[index + 1]
            if word.startswith(name + "="):
                return word[len(name) + 1 :]
    return None


def lower(process: dict[str, Any], own_score: int) -> None:
    """Changes an OCI `process` in place."""
    for names in (process.get("capabilities") or {}).values():
        if names and CAPABILITY in names:
            names.remove(CAPABILITY)
    for limit in process.get("rlimits") or []:
        hard = resource.getrlimit(getattr(resource, limit["type"]))[1]
        if hard != resource.RLIM_INFINITY:
            limit["hard"], limit["soft"] = min(limit["hard"], hard), min(limit["soft"], hard)
    if process.get("oomScoreAdj") is not None:
        process["oomScoreAdj"] = max(process["oomScoreAdj"], own_score)


def configuration(args: list[str]) -> tuple[Path, bool] | None:
    """The file runc is about to read, and whether the process is all of it (exec) or one key of it (create, run)."""
    if "create" in args or "run" in args:
        return Path(option(args, "--bundle", "-b") or ".", "config.json"), False
    path = option(args, "--process", "-p") if "exec" in args else None
    return (Path(path), True) if path else None


def edit(path: Path, *, whole: bool, own_score: int) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    lower(document if whole else document.get("process") or {}, own_score)
    fresh = path.with_name(path.name + ".holdfast")
    fresh.write_text(json.dumps(document), encoding="utf-8")
    fresh.replace(path)


def main(args: list[str]) -> None:
    found = configuration(args)
    if found and found[0].exists() and not may_raise_limits(Path("/proc/self/status").read_text()):
        edit(found[0], whole=found[1], own_score=int(Path("/proc/self/oom_score_adj").read_text()))
    os.execv(RUNC, [RUNC, *args])


if __name__ == "__main__":
    main(sys.argv[1:])
