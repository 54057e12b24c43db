"""TLS of MySQL and MariaDB as the policy's mode means it, with an authority that only the Secret has."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.runner.certificates import certificate
from tests.integration.runner.containers import inspect
from tests.integration.runner.mysql_server import MARIADB, MYSQL, Family, MySQLServer
from tests.integration.runner.pod import Result
from tests.integration.runner.servers import PASSWORD
from tests.integration.runner.world import World, assert_failed

CHECKED = {"mode": "verify-full", "caSecretName": "db-ca"}
AUTHORITY_ONLY = {"mode": "verify-ca", "caSecretName": "db-ca"}
WITHOUT_TLS = {"mysql": "--tls-version=", "mariadb": "--skip-ssl"}
ALSO_FOR_MARIADB = pytest.param(MARIADB, id="mariadb", marks=pytest.mark.matrix)


def prepared(server: MySQLServer) -> MySQLServer:
    server.create("shop")
    server.sql("create table t as select 1 as one", "shop")
    server.let_dump("shop")
    return server


@pytest.fixture(scope="module", params=["mysql", "mariadb"])
def secure(request: pytest.FixtureRequest) -> MySQLServer:
    return prepared(request.getfixturevalue(f"{request.param}_elsewhere"))


@pytest.fixture(scope="module", params=[pytest.param(MYSQL, id="mysql"), ALSO_FOR_MARIADB])
def plain(world: World, request: pytest.FixtureRequest) -> Iterator[MySQLServer]:
    family: Family = request.param
    name = f"{world.network}-{family.engine}-plain"
    server = MySQLServer(world.network, name, family, WITHOUT_TLS[family.engine])
    yield prepared(server)
    server.remove()


def authority(world: World, server: MySQLServer) -> dict[str, str]:
    return {"ca.crt": (world.folder / server.name / "ca.crt").read_text()}


def backed_up(world: World, server: MySQLServer, tls: dict[str, str], host: str = "", **pod: Any) -> Result:
    """Take a backup; where it fails, nothing of it is left."""
    task = server.backup(world, host=host or server.name, tls=tls)
    result = world.pod(task, image=server.family.runner, **pod).run()
    if result.exit_code == 0:
        world.assert_backed_up(task, result)
    else:
        world.assert_nothing_left(task)
    return result


def test_verify_full_succeeds_with_the_right_authority(world: World, secure: MySQLServer) -> None:
    assert backed_up(world, secure, CHECKED, database_ca=authority(world, secure)).exit_code == 0


def test_verify_full_refuses_another_authority(world: World, secure: MySQLServer) -> None:
    other = world.folder / f"{secure.name}-other"
    other.mkdir()
    certificate(other, secure.name)
    result = backed_up(world, secure, CHECKED, database_ca={"ca.crt": (other / "ca.crt").read_text()})
    assert_failed(result, 3, "TLSFailed", "certificate")
    assert "caSecretName" in result.failure.remedy


@pytest.mark.matrix
def test_verify_full_refuses_a_server_that_its_certificate_does_not_name(world: World, secure: MySQLServer) -> None:
    address = inspect(secure.name)["NetworkSettings"]["Networks"][world.network]["IPAddress"]
    result = backed_up(world, secure, CHECKED, host=address, database_ca=authority(world, secure))
    assert_failed(result, 3, "TLSFailed", address)
    assert "the certificate names this host" in result.failure.remedy


@pytest.mark.matrix
def test_verify_ca_takes_any_name_of_the_authoritys_but_mariadb_checks_that_too(
    world: World, secure: MySQLServer
) -> None:
    address = inspect(secure.name)["NetworkSettings"]["Networks"][world.network]["IPAddress"]
    result = backed_up(world, secure, AUTHORITY_ONLY, address, database_ca=authority(world, secure))
    assert result.exit_code == (0 if secure.family is MYSQL else 3), result.log


@pytest.mark.matrix
@pytest.mark.parametrize("mode", ["require", "prefer", "disable"])
def test_modes_that_check_nobody_need_no_authority(world: World, secure: MySQLServer, mode: str) -> None:
    assert backed_up(world, secure, {"mode": mode}).exit_code == 0


@pytest.mark.matrix
def test_a_user_that_needs_tls_and_comes_without_is_told_so(world: World, secure: MySQLServer) -> None:
    secure.sql("alter user holdfast@'%' require ssl")
    try:
        result = backed_up(world, secure, {"mode": "disable"})
        assert_failed(result, 3, "AuthenticationFailed", "Access denied")
        assert "connection.tls.mode require" in result.failure.remedy
        assert backed_up(world, secure, {"mode": "require"}).exit_code == 0
    finally:
        secure.sql("alter user holdfast@'%' require none")


@pytest.mark.parametrize("tls", [{"mode": "require"}, pytest.param(CHECKED, marks=pytest.mark.matrix)], ids=str)
def test_a_server_without_tls_is_refused_where_it_must_be(
    world: World, plain: MySQLServer, tls: dict[str, str]
) -> None:
    folder = world.folder / f"{plain.name}-{tls['mode']}"
    folder.mkdir()
    certificate(folder, plain.name)
    ca = {"database_ca": {"ca.crt": (folder / "ca.crt").read_text()}} if tls == CHECKED else {}
    result = backed_up(world, plain, tls, **ca)
    assert_failed(result, 3, "TLSFailed", plain.name)


@pytest.mark.parametrize("mode", ["prefer", pytest.param("disable", marks=pytest.mark.matrix)])
def test_a_first_login_without_tls_succeeds_where_that_is_allowed(world: World, plain: MySQLServer, mode: str) -> None:
    """caching_sha2_password then encrypts the password with a key that the server hands out."""
    plain.create_user(f"never_seen_{mode}")
    plain.let_dump("shop", f"never_seen_{mode}")
    secret = {"username": f"never_seen_{mode}", "password": PASSWORD}
    assert backed_up(world, plain, {"mode": mode}, database_secret=secret).exit_code == 0


@pytest.mark.matrix
def test_a_server_that_can_take_a_password_neither_by_tls_nor_by_rsa_is_told_apart_from_a_wrong_password(
    world: World,
) -> None:
    keys = (f"--{plugin}-password-auto-generate-rsa-keys=OFF" for plugin in ("caching-sha2", "sha256"))
    server = prepared(MySQLServer(world.network, f"{world.network}-mysql-keyless", MYSQL, "--tls-version=", *keys))
    try:
        result = backed_up(world, server, {"mode": "prefer"})
    finally:
        server.remove()
    assert_failed(result, 3, "AuthenticationFailed", "Access denied")
    assert "connection.tls.mode to require" in result.failure.remedy
    assert "RSA keys" in result.failure.remedy
