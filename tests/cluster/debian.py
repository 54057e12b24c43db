"""Debian images where no registry can be reached: debootstrapped, slimmed as Debian's own slim images are, imported.

Only ever writes below a temporary directory; the host's own packages and sources stay as they are.
"""

import os
import shutil
from pathlib import Path

from tests.cluster import artefact, images
from tests.cluster.daemon import Daemon, install_packages
from tests.cluster.errors import ClusterError
from tests.cluster.lock import locked
from tests.cluster.settings import Settings
from tests.cluster.shell import pipe, run
from tests.cluster.steps import Steps

SUITES = ("bookworm", "trixie", "sid")
ROLLING = "sid"

SLIM_DPKG = """\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/groff/*
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/linda/*
path-exclude /usr/share/locale/*
path-include /usr/share/locale/locale.alias
path-exclude /usr/share/man/*
"""
APT = """\
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
Apt::AutoRemove::SuggestsImportant "false";
"""
STALE = 'Acquire::Check-Valid-Until "false";\n'
"""A mirror of sid may lag more than the week its Release file is valid for."""


def sources(suite: str, mirror: str) -> str:
    lines = [f"deb {mirror} {suite} main"]
    if suite != ROLLING:
        security = mirror.removesuffix("/debian") + "/debian-security"
        lines += [f"deb {mirror} {suite}-updates main", f"deb {security} {suite}-security main"]
    return "\n".join(lines) + "\n"


def debootstrap(settings: Settings, suite: str, root: Path, steps: Steps) -> None:
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        raise ClusterError(
            f"debian:{suite}-slim can be neither pulled nor made, since debootstrap needs root on Debian; "
            "log in to a registry that has it, or run this as root on Debian."
        )
    if not shutil.which("debootstrap"):
        with steps.part("installing debootstrap"):
            install_packages("debootstrap")
    with steps.part(f"debootstrap {suite} (about 30 s)"):
        run(["debootstrap", "--variant=minbase", suite, root, settings.debian_mirror])
    _configure(root, suite, settings.debian_mirror)


def _configure(root: Path, suite: str, mirror: str) -> None:
    (root / "etc/apt/sources.list").write_text(sources(suite, mirror))
    (root / "etc/apt/apt.conf.d/docker").write_text(APT + (STALE if suite == ROLLING else ""))
    (root / "etc/dpkg/dpkg.cfg.d/docker").write_text(SLIM_DPKG)
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")  # no service starts while packages are installed in a container
    policy.chmod(0o755)


def slim(root: Path) -> None:
    """What dpkg's path-exclude keeps out later was already unpacked by debootstrap."""
    _keep_copyrights(root / "usr/share/doc")
    for name in ("groff", "info", "lintian", "linda", "man"):
        _empty(root / "usr/share" / name)
    _empty(root / "usr/share/locale", keep="locale.alias")
    for name in ("var/cache/apt", "var/cache/debconf", "var/lib/apt/lists", "var/log", "tmp"):
        _empty(root / name)
    for name in ("etc/machine-id", "etc/resolv.conf", "etc/hostname"):
        (root / name).write_text("")


def _empty(place: Path, keep: str = "") -> None:
    for entry in place.iterdir() if place.is_dir() else ():
        if entry.name == keep:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _keep_copyrights(place: Path) -> None:
    for entry in sorted(place.rglob("*"), reverse=True):
        if entry.is_dir() and not entry.is_symlink():
            if not any(entry.iterdir()):
                entry.rmdir()
        elif entry.name != "copyright":
            entry.unlink()


def image_name(suite: str) -> str:
    return f"debian:{suite}-slim"


def ensure_base(settings: Settings, daemon: Daemon, suite: str, steps: Steps) -> str:
    """`debian:SUITE-slim` in the daemon: there already, pulled, or made."""
    if suite not in SUITES:
        raise ClusterError(f"{suite!r} is no Debian suite used here; choose one of {', '.join(SUITES)}.")
    image, env = image_name(suite), daemon.environment(settings.tools_dir)
    with locked(settings.cache / "locks" / f"debian-{suite}", steps.waiting):
        if not images.present(daemon, env, image) and not images.pull(daemon, env, f"docker.io/library/{image}"):
            _make(settings, daemon, suite, steps)
    return image


def _make(settings: Settings, daemon: Daemon, suite: str, steps: Steps) -> None:
    image, env = image_name(suite), daemon.environment(settings.tools_dir)
    root = settings.cache / f"debian-{suite}.tmp"
    artefact.remove(root)  # of a run that was interrupted
    try:
        debootstrap(settings, suite, root, steps)
        slim(root)
        with steps.part(f"importing {image}"):
            pipe(
                ["tar", "-C", root, "-c", "."], [daemon.cli, "import", "--change", 'CMD ["bash"]', "-", image], env=env
            )
    finally:
        artefact.remove(root)
