#!/usr/bin/env python3
"""Builds the images, and pushes those that people install. `make images` and `make push` call this.

Needs nothing but Python, and finds or starts a container daemon as the test cluster does. What is in an image is for
its Dockerfile to say; this knows only names, tags and the order of things.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, Python sees only images/

from tests.cluster import daemon, debian  # noqa: E402
from tests.cluster.errors import ClusterError  # noqa: E402
from tests.cluster.settings import from_environment  # noqa: E402
from tests.cluster.shell import attempt, run  # noqa: E402
from tests.cluster.steps import Steps  # noqa: E402

DEV = "dev"
PGDG_MAJORS = ("14", "15", "16", "17", "18")
CLIENT_LABEL, SERVER_LABEL = "dev.holdfast.client.version", "dev.holdfast.server.version"
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
INTERRUPTED = 130


@dataclass(frozen=True)
class Image:
    """One Dockerfile."""

    name: str
    folder: str
    context: str
    published: bool
    version_file: str = ""
    """In the image: the version of the Debian package whose major version becomes the tag."""
    by_name_only: bool = False
    """Not part of `all`, which is what the demo waits for."""
    engine: str = ""
    """Of a runner: whose tools the Dockerfile puts in."""
    suites: tuple[str, ...] = ("trixie",)
    """Debian's that it can be built on; the first is the default."""
    base: str = ""
    """The image of ours that it adds to, where a Dockerfile serves several."""


IMAGES = {
    "operator": Image("holdfast-operator", "images/operator", ".", published=True),
    "runner-postgres": Image(
        "holdfast-runner-postgres",
        "images/runner",
        ".",
        True,
        "/etc/holdfast/client-version",
        engine="postgres",
        suites=("trixie", "bookworm", "sid"),
    ),
    "runner-mysql": Image(
        "holdfast-runner-mysql",
        "images/runner",
        ".",
        True,
        "/etc/holdfast/client-version",
        engine="mysql",
        suites=("sid",),
        by_name_only=True,
    ),
    "runner-mariadb": Image(
        "holdfast-runner-mariadb",
        "images/runner",
        ".",
        True,
        "/etc/holdfast/client-version",
        engine="mariadb",
        suites=("trixie",),
        by_name_only=True,
    ),
    "test-mysql": Image(
        "holdfast-test-mysql",
        "tests/images/mysql",
        "tests/images/mysql",
        False,
        "/etc/holdfast/server-version",
        suites=("sid",),
        by_name_only=True,
    ),
    "test-mariadb": Image(
        "holdfast-test-mariadb",
        "tests/images/mariadb",
        "tests/images/mariadb",
        False,
        "/etc/holdfast/server-version",
        suites=("trixie", "bookworm"),
        by_name_only=True,
    ),
    "runner-sqlite": Image(
        "holdfast-runner-sqlite",
        "images/runner",
        ".",
        True,
        "/etc/holdfast/client-version",
        engine="sqlite",
    ),
    "runner-aws": Image("holdfast-runner-aws", "images/runner", ".", published=True, engine="aws"),
    "test-postgres": Image(
        "holdfast-test-postgres",
        "tests/images/postgres",
        "tests/images/postgres",
        False,
        "/etc/holdfast/server-version",
        suites=("trixie", "bookworm", "sid"),
    ),
    "test-seaweedfs": Image("holdfast-test-seaweedfs", "tests/images/seaweedfs", "tests/images/seaweedfs", False),
    "test-moto": Image("holdfast-test-moto", "tests/images/moto", ".", published=False),
    "test-faketime": Image(
        "holdfast-test-faketime", "tests/images/faketime", "tests/images/faketime", False, by_name_only=True
    ),
    "bench": Image(
        "holdfast-bench",
        "tests/images/bench",
        "tests/images/bench",
        False,
        by_name_only=True,
        base="holdfast-runner-postgres:17",
    ),
    "bench-mysql": Image(
        "holdfast-bench-mysql",
        "tests/images/bench",
        "tests/images/bench",
        False,
        by_name_only=True,
        base="holdfast-runner-mysql:9",
    ),
    "bench-mariadb": Image(
        "holdfast-bench-mariadb",
        "tests/images/bench",
        "tests/images/bench",
        False,
        by_name_only=True,
        base="holdfast-runner-mariadb:11",
    ),
}


@dataclass(frozen=True)
class Built:
    """A row of the table: the reference, its size in bytes uncompressed, and the seconds that its build took."""

    image: Image
    reference: str
    size: int
    seconds: float


def major_version(debian_version: str) -> str:
    """`17` from `17.12-0+deb13u1`, `18` from `1:18.6-1`."""
    found = re.match(r"(?:\d+:)?(\d+)", debian_version)
    if not found:
        raise ClusterError(f"{debian_version!r} is no version of a Debian package.")
    return found.group(1)


def tag_of(image: Image, tag: str, major: str) -> str:
    """Major version first, as a chart's map of runner images names it; stand-ins have no releases."""
    if not major:
        return tag if image.published else "latest"
    return f"{major}-{tag}" if image.published and tag != DEV else major


def ca_bundle(env: Mapping[str, str]) -> str | None:
    """The bundle that this machine's Python tools are told to trust; None where they use their own."""
    return next((env[name] for name in CA_VARIABLES if env.get(name) and Path(env[name]).is_file()), None)


def build_command(cli: str, image: Image, arguments: Mapping[str, str], ca: str | None, *, cache: bool) -> list[str]:
    """`docker build` without a tag, from the root of the checkout."""
    command = [cli, "build", "--file", f"{image.folder}/Dockerfile"]
    for name, value in arguments.items():
        command += ["--build-arg", f"{name}={value}"]
    if ca:
        command += ["--secret", f"id=ca,src={ca}"]
    if not cache:
        command.append("--no-cache")
    return [*command, image.context]


def build_arguments(image: Image, suite: str, source: str, pgdg: str = "") -> dict[str, str]:
    """What the Dockerfile declares as ARG."""
    arguments = {"SUITE": suite} if image.version_file or image.engine else {}
    if image.base:
        arguments["BASE"] = image.base
    if image.engine:
        arguments |= {"ENGINE": image.engine, "PGDG": pgdg}
    if image.published:
        text = (ROOT / "operator/holdfast/__init__.py").read_text()
        version = re.search(r'__version__ = "(.+)"', text)
        revision = attempt(["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"], cwd=ROOT)
        arguments["VERSION"] = version.group(1) if version else "unknown"
        arguments["REVISION"] = revision.stdout.strip() or "unknown"
        arguments["SOURCE"] = source
    return arguments


def push_commands(cli: str, references: Sequence[str], registry: str) -> list[list[str]]:
    """Tag and push, for each reference."""
    targets = [(reference, f"{registry.rstrip('/')}/{reference}") for reference in references]
    return [command for old, new in targets for command in ([cli, "tag", old, new], [cli, "push", new])]


def name_version(image: Image, built: str, args: argparse.Namespace, cli: str, env: Mapping[str, str]) -> str:
    """Tags an image, where it has an engine's programs by their version, which a label names too; the reference.

    What a build finds out, it cannot put into a label: so that is added upon it.
    """
    if not image.version_file:
        reference = f"{image.name}:{tag_of(image, args.tag, '')}"
        run([cli, "tag", built, reference], env=env)
        return reference
    version = run([cli, "run", "--rm", "--entrypoint", "cat", built, image.version_file], env=env).strip()
    reference = f"{image.name}:{tag_of(image, args.tag, major_version(version))}"
    run([cli, "tag", built, reference], env=env)
    label = f"{CLIENT_LABEL if image.engine else SERVER_LABEL}={version}"
    run([cli, "build", "--tag", reference, "--label", label, "-"], env=env, text_in=f"FROM {reference}\n")
    return reference


def build(image: Image, args: argparse.Namespace, suite: str, cli: str, env: Mapping[str, str]) -> Built:
    """Builds and tags one image."""
    start = time.monotonic()
    arguments = build_arguments(image, suite, args.source, args.pgdg)
    command = build_command(cli, image, arguments, ca_bundle(os.environ), cache=not args.no_cache)
    with tempfile.TemporaryDirectory() as folder:  # docker removes the file where the build fails
        file = Path(folder) / "built"
        run([*command, "--iidfile", str(file)], env=env, cwd=ROOT)
        built = file.read_text()
    reference = name_version(image, built, args, cli, env)
    size = int(run([cli, "image", "inspect", "--format", "{{.Size}}", reference], env=env))
    return Built(image, reference, size, time.monotonic() - start)


def table(rows: Sequence[Built]) -> str:
    """Name, size and seconds of each image."""
    width = max(len(row.reference) for row in rows)
    lines = [f"{'IMAGE':{width}}  {'SIZE':>7}  SECONDS"]
    lines += [f"{row.reference:{width}}  {row.size / 1e6:>4.0f} MB  {row.seconds:>7.1f}" for row in rows]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="images/build.py", description="Build the images.")
    names = [*IMAGES, "all"]
    result.add_argument("images", nargs="*", default=["all"], metavar="IMAGE", help=f"{', '.join(names)} (default)")
    result.add_argument(
        *("--suite", "-s"),
        action="append",
        choices=debian.SUITES,
        metavar="SUITE",
        help="Debian suite of the engines' images, which decides the version; may be repeated; an image that cannot be "
        "built on any that is given is built on its default",
    )
    result.add_argument(
        "--pgdg",
        default="",
        choices=PGDG_MAJORS,
        metavar="MAJOR",
        help="PostgreSQL's client of this major version, from PostgreSQL's own repository instead of Debian's",
    )
    result.add_argument("--tag", default=DEV, help=f"tag of what people install ({DEV}): operator:TAG, runner:17-TAG")
    result.add_argument("--source", default="", metavar="URL", help="where the sources are, for the images' label")
    result.add_argument("--push", default="", metavar="REGISTRY", help="push what people install to REGISTRY/NAME:TAG")
    result.add_argument("--dry-run", action="store_true", help="with --push: build, and print what would be pushed")
    result.add_argument("--no-cache", action="store_true", help="build every layer anew, with today's Debian packages")
    return result


def chosen(args: argparse.Namespace) -> list[tuple[Image, str]]:
    """The images with their suites, in the order of IMAGES."""
    unknown = set(args.images) - {*IMAGES, "all"}
    if unknown:
        raise ClusterError(f"There is no image {', '.join(sorted(unknown))}; there are {', '.join(IMAGES)} and all.")
    every = "all" in args.images
    named = [image for key, image in IMAGES.items() if key in args.images or (every and not image.by_name_only)]
    if args.push and "all" in args.images:
        named = [image for image in named if image.published]
    kept = [image.name for image in named if args.push and not image.published]
    if kept:
        raise ClusterError(f"{', '.join(kept)} stands in for a server in tests, and is not pushed.")
    asked = {image.name: [suite for suite in args.suite or [] if suite in image.suites] for image in named}
    return [(image, suite) for image in named for suite in asked[image.name] or image.suites[:1]]


def build_all(args: argparse.Namespace) -> list[Built]:
    """Daemon, base images, images."""
    wanted = chosen(args)
    suites = sorted({suite for _, suite in wanted})
    settings, steps = from_environment(), Steps(1 + len(suites) + len(wanted))
    with steps.step("daemon"):
        found = daemon.ensure(settings, steps)
    env = {**found.environment(settings.tools_dir), "DOCKER_BUILDKIT": "1"}
    for suite in suites:
        with steps.step(f"debian:{suite}-slim"):
            debian.ensure_base(settings, found, suite, steps)
    rows = []
    for image, suite in wanted:
        with steps.step(f"{image.name} on {suite}"):
            rows.append(build(image, args, suite, found.cli, env))
    for command in push_commands(found.cli, [row.reference for row in rows], args.push) if args.push else []:
        sys.stderr.write(f"{' '.join(command)}\n")
        if not args.dry_run:
            run(command, env=env)
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; 1 and a sentence where something failed."""
    try:
        sys.stdout.write(table(build_all(parser().parse_args(argv))) + "\n")
    except ClusterError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
