#!/usr/bin/python3
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


def configuration(args: list[str]) -> tuple[str, bool] | None:
    """The file runc is about to read, and whether the process is all of it (exec) or one key of it (create, run)."""
    if "create" in args or "run" in args:
        return os.path.join(option(args, "--bundle", "-b") or ".", "config.json"), False
    path = option(args, "--process", "-p") if "exec" in args else None
    return (path, True) if path else None


def edit(path: str, whole: bool, own_score: int) -> None:
    with open(path, encoding="utf-8") as source:
        document = json.load(source)
    lower(document if whole else document.get("process") or {}, own_score)
    with open(path + ".holdfast", "w", encoding="utf-8") as target:
        json.dump(document, target)
    os.replace(path + ".holdfast", path)


def read(path: str) -> str:
    with open(path, encoding="utf-8") as source:
        return source.read()


def main(args: list[str]) -> None:
    found = configuration(args)
    if found and os.path.exists(found[0]) and not may_raise_limits(read("/proc/self/status")):
        edit(*found, own_score=int(read("/proc/self/oom_score_adj")))
    os.execv(RUNC, [RUNC, *args])


if __name__ == "__main__":
    main(sys.argv[1:])
