"""Fixtures of the integration tests: the runner's real image against real servers, in containers of our own."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cluster import api
from tests.cluster.settings import from_environment
from tests.integration.runner.certificates import certificate
from tests.integration.runner.containers import docker, remove
from tests.integration.runner.mysql_server import MARIADB, MYSQL, Family, MySQLServer
from tests.integration.runner.servers import Postgres, Store
from tests.integration.runner.world import World

TIMEOUT = 180  # seconds; the first test waits for the servers and their data
HERE = Path(__file__).parent
IMAGES = (
    "holdfast-runner-postgres:17",
    "holdfast-runner-postgres:15",
    "holdfast-runner-sqlite:3",
    "holdfast-runner-aws:dev",
    "holdfast-test-moto:latest",
    "holdfast-test-postgres:17",
    "holdfast-test-postgres:15",
    "holdfast-test-seaweedfs:latest",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)
            item.add_marker(pytest.mark.timeout(TIMEOUT))


@pytest.fixture(scope="session")
def network() -> Iterator[str]:
    settings = from_environment()
    daemon = api.running_daemon(settings)
    with pytest.MonkeyPatch.context() as environment:
        for key, value in daemon.environment(settings.tools_dir).items():
            environment.setenv(key, value)
        yield from a_network()


def a_network() -> Iterator[str]:
    missing = [image for image in IMAGES if not docker("images", "--quiet", image)]
    if missing:
        pytest.fail(f"{', '.join(missing)} is not built: python3 images/build.py --suite trixie --suite bookworm")
    remove_abandoned()
    name = f"holdfast-it-{os.getpid()}"
    docker("network", "create", name)
    yield name
    docker("network", "rm", name, check=False)


@pytest.fixture(scope="session")
def world(network: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    names = [f"{network}-db", f"{network}-store"]
    folder = tmp_path_factory.mktemp("pods")
    folder.chmod(0o755)
    for parent in folder.parents[:2]:
        parent.chmod(0o755)  # the runner's user reads its Secrets through these
    try:
        store = Store(network, names[1])
        db = Postgres(network, names[0])
        db.create_sample("shop", 0.05)
        yield World(folder, network, db, store)
    finally:
        remove(*names)


@pytest.fixture(scope="session")
def servers(world: World) -> Iterator[Callable[[int], World]]:
    """The world of a server of that major version, with a shop's database; each is started when it is asked for."""
    there = {17: world}

    def of(major: int) -> World:
        if major not in there:
            server = Postgres(world.network, f"{world.network}-db-{major}", str(major))
            there[major] = replace(world, db=server)
            server.create_sample("shop", 0.05)
        return there[major]

    yield of
    remove(*(its.db.name for its in there.values() if its is not world))


@pytest.fixture(scope="session")
def mysql(network: str) -> Iterator[MySQLServer]:
    """MySQL, with a sample of all it knows in the database `shop`."""
    yield from a_server(MySQLServer(network, f"{network}-mysql", MYSQL))


@pytest.fixture(scope="session")
def mariadb(network: str) -> Iterator[MySQLServer]:
    """MariaDB, likewise."""
    yield from a_server(MySQLServer(network, f"{network}-mariadb", MARIADB))


@pytest.fixture(scope="session")
def mysql_elsewhere(world: World) -> Iterator[MySQLServer]:
    """Another server, with a certificate, and nothing in it."""
    yield from a_secure_server(world, MYSQL)


@pytest.fixture(scope="session")
def mariadb_elsewhere(world: World) -> Iterator[MySQLServer]:
    """Likewise."""
    yield from a_secure_server(world, MARIADB)


def a_secure_server(world: World, family: Family) -> Iterator[MySQLServer]:
    name = f"{world.network}-{family.engine}-tls"
    folder = world.folder / name
    folder.mkdir()
    certificate(folder, name)
    server = MySQLServer(world.network, name, family, tls=folder)
    yield server
    server.remove()


@pytest.fixture(params=["mysql", "mariadb"])
def server(request: pytest.FixtureRequest) -> MySQLServer:
    """Each of the two in turn."""
    found: MySQLServer = request.getfixturevalue(request.param)
    return found


def a_server(server: MySQLServer) -> Iterator[MySQLServer]:
    server.create_sample("shop")
    yield server
    server.remove()


@pytest.fixture(scope="session")
def big(world: World) -> str:
    """A database whose dump takes some seconds and hardly compresses: time to interfere."""
    world.db.create("big")
    world.db.sql(
        "big",
        "create unlogged table noise as select i, md5(i::text) || md5((i * 7)::text) || md5((i * 13)::text) as words "
        "from generate_series(1, 1500000) i",
        "holdfast",
    )
    return "big"


@pytest.fixture(autouse=True)
def pods_end(world: World) -> Iterator[None]:
    """Whatever a test leaves running is ended."""
    yield
    running = [pod for pod in world.pods if pod.running]
    world.pods.clear()
    for pod in running:
        pod.remove()


def remove_abandoned() -> None:
    """Remove what a session that was killed could not."""
    for kind, options, column in (("container", ["--all"], "{{.Names}}"), ("network", [], "{{.Name}}")):
        for name in docker(kind, "ls", *options, "--format", column).split():
            found = re.match(r"holdfast-it-(\d+)(-|$)", name)
            if found and not Path(f"/proc/{found[1]}").exists():
                docker(kind, "rm", *(["--force"] if kind == "container" else []), name, check=False)  # others do, too
