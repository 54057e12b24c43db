"""What is there, as a table for people. It must change nothing."""

import stat
from collections.abc import Iterable
from pathlib import Path

from tests.cluster import daemon as daemons
from tests.cluster import node_image
from tests.cluster.daemon import Daemon
from tests.cluster.kind import Kind
from tests.cluster.settings import Settings

Row = tuple[str, str]


def table(rows: Iterable[Row]) -> str:
    listed = list(rows)
    width = max(len(name) for name, _ in listed)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in listed)


def rows(settings: Settings) -> list[Row]:
    if settings.own_kubeconfig:
        return [("cluster", f"your own: {settings.own_kubeconfig}, context {settings.own_context or 'not named'}")]
    daemon = daemons.find(settings)
    cluster = _cluster_rows(settings, daemon) if daemon else [("cluster", "none")]
    return [
        ("daemon", _daemon(settings, daemon)),
        ("node image", (daemon and node_image.find(settings, daemon)) or "none yet"),
        *cluster,
        ("tools", " ".join(sorted(link.name for link in _entries(settings.tools_dir))) or "none yet"),
        ("cache", f"{settings.cache} ({size(settings.cache) / 1e9:.1f} GB)"),
    ]


def _daemon(settings: Settings, daemon: Daemon | None) -> str:
    if daemon is None:
        return "none answers"
    if daemon.private:
        return f"our own dockerd, pid {daemons.running_pid(settings)}, {daemon.host}"
    return f"{daemon.cli}, {daemon.host or 'its default address'}"


def _cluster_rows(settings: Settings, daemon: Daemon) -> list[Row]:
    kind = Kind(settings, daemon)
    nodes = kind.nodes()
    if not nodes:
        return [("cluster", f"no cluster {settings.cluster}")]
    ready = "Ready" if kind.ready() else "not Ready"
    listed = ", ".join(f"{name} {state}" for name, state in nodes.items())
    return [("cluster", settings.cluster), ("nodes", f"{listed}: {ready}"), ("kubeconfig", str(settings.kubeconfig))]


def _entries(place: Path) -> list[Path]:
    return list(place.iterdir()) if place.is_dir() else []


def size(place: Path) -> int:
    """Bytes on disk; files that vanish meanwhile (a running daemon's) count nothing, hard links count once."""
    total, seen, left = 0, set(), [place]
    while left:
        for entry in _entries_or_gone(left.pop()):
            try:
                found = entry.lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(found.st_mode) and entry.name != "merged":  # that is a container's mounted view
                left.append(entry)
            elif found.st_ino not in seen:
                seen.add(found.st_ino)
                total += found.st_blocks * 512
    return total


def _entries_or_gone(place: Path) -> list[Path]:
    try:
        return list(place.iterdir())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
