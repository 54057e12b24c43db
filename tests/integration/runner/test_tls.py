"""TLS as libpq's sslmode means it: verify-full checks who answers."""

from collections.abc import Iterator

import pytest
from tests.integration.runner.certificates import certificate
from tests.integration.runner.servers import Postgres
from tests.integration.runner.world import World, assert_failed


@pytest.fixture(scope="module")
def secure(world: World) -> Iterator[tuple[Postgres, str]]:
    folder = world.folder / "tls"
    folder.mkdir()
    name = f"{world.network}-tls"
    certificate(folder, name)
    server = Postgres(world.network, name, tls=folder)
    server.create("shop")
    server.sql("shop", "create table t as select 1 as one", "holdfast")
    yield server, (folder / "ca.crt").read_text()
    server.remove()


def test_verify_full_succeeds_with_the_right_authority(world: World, secure: tuple[Postgres, str]) -> None:
    server, authority = secure
    tls = {"mode": "verify-full", "caSecretName": "db-ca"}
    task = world.backup(connection={"host": server.name, "tls": tls})
    world.assert_backed_up(task, world.pod(task, database_ca={"ca.crt": authority}).run())


def test_verify_full_refuses_another_authority(world: World, secure: tuple[Postgres, str]) -> None:
    server, _ = secure
    other = world.folder / "other-ca"
    other.mkdir()
    certificate(other, server.name)
    tls = {"mode": "verify-full", "caSecretName": "db-ca"}
    task = world.backup(connection={"host": server.name, "tls": tls})
    result = world.pod(task, database_ca={"ca.crt": (other / "ca.crt").read_text()}).run()
    assert_failed(result, 3, "TLSFailed", "certificate verify failed")
    world.assert_nothing_left(task)


def test_a_missing_authority_is_named(world: World, secure: tuple[Postgres, str]) -> None:
    server, _ = secure
    tls = {"mode": "verify-full", "caSecretName": "db-ca"}
    task = world.backup(connection={"host": server.name, "tls": tls})
    assert_failed(world.pod(task, database_ca={}).run(), 1, "SecretMissing", "Secret db-ca")
