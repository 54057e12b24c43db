"""MySQL and MariaDB without a server: what the clients are told, and what is made of what they say."""

import io
import os
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import NOW

from holdfast.api.database import Database, Engine, TLSMode
from holdfast.api.policy import Dump
from holdfast.api.restoring import RestoreMode
from holdfast.contract.globals import Globals
from holdfast.contract.task import RestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.compress import Plain
from holdfast.runner.artifact.stream import Sink
from holdfast.runner.engines.mysql import accounts, errors, grants, history, restore, source, target_session
from holdfast.runner.engines.mysql import server as servers
from holdfast.runner.engines.mysql.connection import Target, resolve
from holdfast.runner.engines.mysql.dumps import StreamedDump, arguments
from holdfast.runner.engines.mysql.end_mark import EndMark
from holdfast.runner.engines.mysql.errors import explained
from holdfast.runner.engines.mysql.flavour import ALL_ROWS, FLAVOURS, MARIADB, MYSQL, numbers
from holdfast.runner.engines.mysql.options import option_file
from holdfast.runner.engines.mysql.server import Server
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.stop import Stop


def a_database(engine="mysql", name="orders", **connection):
    fields = {"host": "db", "secretName": "orders-db"} | connection
    return Database.model_validate({"engine": engine, "name": name, "connection": fields})


def a_target(flavour=MYSQL, tls=TLSMode.PREFER):
    return Target(flavour, "db", "3306", "u", "orders", tls, Path("/run/holdfast/client.cnf"))


@pytest.fixture
def places(tmp_path):
    folders = {name: tmp_path / name for name in ("database_secret", "database_ca", "run")}
    for folder in folders.values():
        folder.mkdir()
    return Places(**folders)


def put(folder, **values):
    for key, value in values.items():
        (folder / key).write_text(value)


# the option file


def as_the_client_reads(line):
    """Read a quoted value as mysys/my_default.cc does."""
    value, text, at = line.partition("=")[2], "", 0
    assert value[0] == value[-1] == '"'
    value = value[1:-1]
    while at < len(value):
        if value[at] == "\\":
            at += 1
            text += {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "s": " "}.get(value[at], value[at])
        else:
            assert value[at] != '"'
            text += value[at]
        at += 1
    return text


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=300))
def test_any_password_is_carried_as_it_is_on_one_line(password):
    group, _, line, end = option_file("u", password).split("\n")
    assert (group, end) == ("[client]", "")
    assert as_the_client_reads(line) == password


@pytest.mark.parametrize(
    "password", ["a\0b", "x" * 4000, "\\" * 2000], ids=["NUL", "too long", "too long when escaped"]
)
def test_what_an_option_file_cannot_carry_is_refused_without_being_shown(places, password):
    put(places.database_secret, username="u", password=password)
    with pytest.raises(HoldfastError, match="Secret orders-db, key password") as caught:
        resolve(a_database(), places)
    assert caught.value.reason is Reason.SECRET_INVALID
    assert password not in caught.value.message + caught.value.remedy


# the connection


def test_no_argument_holds_the_password_and_only_our_option_file_is_read(places):
    put(places.database_secret, username="u\n", password="hush-hush\n")
    target = resolve(a_database(), places)
    said = target.arguments()
    assert said[0] == f"--defaults-file={places.run / 'client.cnf'}"
    assert {"--host=db", "--port=3306", "--protocol=TCP"} <= set(said)
    assert "hush" not in repr(target) + str(said)
    assert not [argument for argument in said if "user" in argument]
    assert (places.run / "client.cnf").read_text() == '[client]\nuser="u"\npassword="hush-hush"\n'
    assert (places.run / "client.cnf").stat().st_mode & 0o777 == 0o600


TLS = {  # as the manuals of the two clients have it; of MariaDB's, server.py checks the cipher for `require`
    (MYSQL.name, TLSMode.DISABLE): {"--ssl-mode=DISABLED"},
    (MYSQL.name, TLSMode.PREFER): {"--ssl-mode=PREFERRED"},
    (MYSQL.name, TLSMode.REQUIRE): {"--ssl-mode=REQUIRED"},
    (MYSQL.name, TLSMode.VERIFY_CA): {"--ssl-mode=VERIFY_CA"},
    (MYSQL.name, TLSMode.VERIFY_FULL): {"--ssl-mode=VERIFY_IDENTITY"},
    (MARIADB.name, TLSMode.DISABLE): {"--skip-ssl"},
    (MARIADB.name, TLSMode.PREFER): {"--ssl", "--skip-ssl-verify-server-cert"},
    (MARIADB.name, TLSMode.REQUIRE): {"--ssl", "--skip-ssl-verify-server-cert"},
    (MARIADB.name, TLSMode.VERIFY_CA): {"--ssl", "--ssl-verify-server-cert"},
    (MARIADB.name, TLSMode.VERIFY_FULL): {"--ssl", "--ssl-verify-server-cert"},
}


@pytest.mark.parametrize("flavour", FLAVOURS.values(), ids=lambda flavour: flavour.name)
@pytest.mark.parametrize("mode", TLSMode)
def test_every_tls_mode_has_its_options(flavour, mode):
    said = a_target(flavour, mode).arguments()
    assert {argument for argument in said if "ssl" in argument} == TLS[flavour.name, mode]


def test_a_certificate_authority_is_given_to_the_client(places):
    put(places.database_secret, username="u", password="p")
    put(places.database_ca, **{"ca.crt": "PEM"})
    target = resolve(a_database(tls={"mode": "verify-full", "caSecretName": "db-ca"}), places)
    assert {"--ssl-mode=VERIFY_IDENTITY", f"--ssl-ca={places.database_ca / 'ca.crt'}"} <= set(target.arguments())


URLS = {
    "all of it": ("mysql://u:p@h:6000/other", ("h", "6000", "u", "p")),
    "MariaDB's scheme": ("mariadb://u:p@h/other", ("h", "3306", "u", "p")),
    "percent-encoded": ("mysql://us%40er:p%3Aw%2F%25%20%C3%BC@h/x", ("h", "3306", "us@er", "p:w/% ü")),
    "an IPv6 address": ("mysql://u:p@[::1]:3307/x", ("::1", "3307", "u", "p")),
    "without a database": ("mysql://u:p@h", ("h", "3306", "u", "p")),
}


@pytest.mark.parametrize("key", ["url", "uri"])
@pytest.mark.parametrize(("url", "expected"), URLS.values(), ids=URLS.keys())
def test_a_url_is_read_where_no_host_is_given_and_the_specs_database_wins(places, key, url, expected):
    put(places.database_secret, **{key: url + "\n"})
    target = resolve(a_database(host=None), places)
    host, port, user, password = expected
    assert (target.host, target.port, target.user, target.database) == (host, port, user, "orders")
    assert (places.run / "client.cnf").read_text() == option_file(user, password)


BAD_URLS = {
    "several hosts": "mysql://u:hush@a:3306,b:3306/x",
    "several hosts without ports": "mysql://u:hush@a,b/x",
    "several addresses": "mysql://u:hush@[::1]:3306,[::2]:3306/x",
    "a socket": "mysql://u:hush@%2Frun%2Fhush.sock/x",
    "a socket as a parameter": "mysql://u:hush@/x?socket=/run/hush.sock",
    "a host in Connector/J's own form": "mysql://u:p@address=(host=hush)/x",
    "a port beyond all": "mysql://u:hush@h:70000/x",
    "a broken escape": "mysql://u:hush%zz@h/x",
    "no host": "mysql://u:hush@/x",
    "no password": "mysql://hush@h/x",
    "another scheme": "postgresql://u:hush@h/x",
    "a port that is none": "mysql://u:p@h:hush/x",
    "no URL": "hush",
    "bytes that are no text": "mysql://u:%ffhush@h/x",
    "a NUL": "mysql://u:hush%00@h/x",
    "an unknown ssl-mode": "mysql://u:p@h/x?ssl-mode=hush",
}


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS.keys())
def test_a_url_that_is_none_is_refused_without_being_shown(places, url):
    put(places.database_secret, url=url)
    with pytest.raises(HoldfastError, match="Secret orders-db, key url") as caught:
        resolve(a_database(host=None), places)
    assert caught.value.reason is Reason.SECRET_INVALID
    assert "hush" not in f"{caught.value!r} {caught.value.message} {caught.value.remedy}"


def test_the_user_is_told_by_where_his_name_stands_unless_the_spec_gives_it(places):
    put(places.database_secret, username="hush-hush", password="u")
    hidden, told = resolve(a_database(), places), resolve(a_database(username="me"), places)
    assert str(hidden) == "database 'orders' at db:3306 as the user in Secret orders-db, key username"
    assert (told.user, str(told).endswith("as user 'me'")) == ("me", True)
    assert (hidden.grantee("hush-hush@%"), told.grantee("me@%")) == ("the_user@`%`", "`me`@`%`")


def test_a_url_may_ask_for_stricter_tls_and_what_else_it_says_is_told_to_be_unused(places):
    put(places.database_secret, url="mysql://u:p@h/x?ssl-mode=REQUIRED&charset=latin1")
    target = resolve(a_database(host=None), places)
    assert target.tls is TLSMode.REQUIRE
    assert target.warnings == ["only the parameter ssl-mode of the connection URL is used"]
    put(places.database_secret, url="mysql://u:p@h/x?ssl-mode=DISABLED")
    assert resolve(a_database(host=None, tls={"mode": "require"}), places).tls is TLSMode.REQUIRE


# errors: each sentence is the client's own

SAID = {
    "ERROR 1045 (28000): Access denied for user 'u'@'172.21.0.4' (using password: YES)": Reason.AUTHENTICATION_FAILED,
    "ERROR 1044 (42000): Access denied for user 'n'@'%' to database 'empty'": Reason.AUTHENTICATION_FAILED,
    "ERROR 1049 (42000): Unknown database 'nodb'": Reason.DATABASE_NOT_FOUND,
    "ERROR 2005 (HY000): Unknown MySQL server host 'no-such.invalid' (-2)": Reason.HOST_NOT_FOUND,
    "ERROR 2005 (HY000): Unknown server host 'no-such.invalid' (-2)": Reason.HOST_NOT_FOUND,
    "ERROR 2003 (HY000): Can't connect to MySQL server on 'my:3307' (111)": Reason.CONNECTION_REFUSED,
    "ERROR 2002 (HY000): Can't connect to server on 'ma' (115)": Reason.CONNECTION_REFUSED,
    "ERROR 2003 (HY000): Can't connect to MySQL server on 'my:3307' (110)": Reason.CONNECTION_TIMEOUT,
    "ERROR 2013 (HY000): Lost connection to MySQL server at 'waiting for initial communication packet', system error: "
    "110": Reason.CONNECTION_TIMEOUT,
    "ERROR 2013 (HY000): Lost connection to server at 'handshake: reading initial communication packet', system error: "
    "110": Reason.CONNECTION_TIMEOUT,
    "ERROR 2013 (HY000): Lost connection to MySQL server at 'reading initial communication packet', system error: 0": (
        Reason.CONNECTION_FAILED
    ),
    "ERROR 2026 (HY000): SSL connection error: error:0A000086:SSL routines::certificate verify failed": (
        Reason.TLS_FAILED
    ),
    "ERROR 2026 (HY000): TLS/SSL error: self-signed certificate": Reason.TLS_FAILED,
    "ERROR 2059 (HY000): Authentication plugin 'mysql_native_password' cannot be loaded: /usr/lib/mysql/plugin/"
    "mysql_native_password.so: cannot open shared object file": Reason.AUTHENTICATION_FAILED,
    "ERROR 2061 (HY000): Authentication plugin 'caching_sha2_password' reported error: Authentication requires secure "
    "connection.": Reason.AUTHENTICATION_FAILED,
    "ERROR 1040 (HY000): Too many connections": Reason.CONNECTION_FAILED,
    "something that nobody knows": Reason.CONNECTION_FAILED,
}


@pytest.mark.parametrize(("text", "reason"), SAID.items())
def test_what_the_client_says_is_told_by_its_number(text, reason):
    error = errors.connection_error(text, a_target())
    assert error.reason is reason
    assert text in error.message
    assert "database 'orders' at db:3306 as its user" in error.message
    assert len(error.remedy) > 20


WAYS_OUT = ("connection.tls.mode to require", "caching_sha2_password_auto_generate_rsa_keys")
DENIED = "ERROR 1045 (28000): Access denied for user 'u'@'172.21.0.4' (using password: YES)"


@pytest.mark.parametrize(
    ("text", "target", "told"),
    [
        ("ERROR 2061 (HY000): Authentication requires secure connection.", a_target(), True),
        (DENIED, a_target(MYSQL, TLSMode.PREFER), True),
        (DENIED, a_target(MYSQL, TLSMode.DISABLE), True),
        (DENIED, a_target(MYSQL, TLSMode.REQUIRE), False),
        (DENIED, a_target(MARIADB, TLSMode.DISABLE), False),
    ],
)
def test_a_password_that_may_not_go_in_the_clear_is_told_its_ways_out_where_that_may_be_it(text, target, told):
    remedy = errors.connection_error(text, target).remedy
    assert [way in remedy for way in WAYS_OUT] == [told, told]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("mysqldump: Couldn't execute 'show events': Access denied for user 'u'@'%' to database 'shop' (1044)", 1044),
        ("mysqldump: Got error: 1045: Access denied for user", 1045),
        ('mariadb-dump: Got error: 1045: "Access denied for user"', 1045),
        ("mysqldump: Error 2013: Lost connection to MySQL server during query when dumping table `t` at row: 7", 2013),
        ("ERROR 1419 (HY000) at line 68: You do not have the SUPER privilege", 1419),
        ("nothing", None),
    ],
)
def test_a_tools_number_is_found(text, number):
    assert errors.number(text) == number


@pytest.mark.parametrize("mode", RestoreMode)
def test_a_failed_restore_says_what_to_grant_and_what_it_left_unless_that_is_beside_the_target(
    places, monkeypatch, mode
):
    def fails(*_):
        raise HoldfastError(Reason.RESTORE_FAILED, "mysql exited 1: ERROR 1227 (42000) at line 82: Access denied", "x")

    monkeypatch.setattr(restore, "feed_tool", fails)
    monkeypatch.setattr(target_session, "lifted", lambda *_: "")
    put(places.database_secret, username="u", password="p")
    target = source.MySQL(a_database(), Context(places, Stop(), Log(), "pod", NOW), source.Overrides())
    with pytest.raises(HoldfastError) as caught:
        target.restore(RestoreTask.model_construct(mode=mode), None, iter([b""]), None)
    assert "SET_ANY_DEFINER" in caught.value.remedy
    assert ("a part of the dump may be in" in caught.value.message) == (mode is not RestoreMode.REPLACE)
    assert ("drop the target database" in caught.value.remedy) == (mode is RestoreMode.REFUSE)
    assert ("take what of the dump" in caught.value.remedy) == (mode is RestoreMode.INTO)


@pytest.mark.parametrize(
    "said",
    [
        "mysqldump: Error 2013: Lost connection to MySQL server during query when dumping table `t` at row: 7",
        "mariadb-dump: Couldn't execute 'SELECT * FROM `t`': TLS/SSL error: unexpected eof while reading (2026)",
    ],
)
def test_a_connection_that_is_cut_during_a_dump_points_to_the_servers_log(said):
    with pytest.raises(HoldfastError) as caught, errors.explained():
        raise HoldfastError(Reason.DUMP_FAILED, said, "x")
    assert caught.value.remedy.startswith("read the server's log, then create another backup: the server ended")


# what a user may see

ROUTINE = "GRANT SHOW_ROUTINE ON *.* TO `u`@`%`"
NEEDED = "GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON `shop`.* TO `u`@`%`"
MY, MA = (Engine.MYSQL, (9, 7)), (Engine.MARIADB, (11, 8))
ENOUGH = {
    "just what is needed": ([ROUTINE, NEEDED], MY),
    "everything": (["GRANT ALL PRIVILEGES ON *.* TO `u`@`%` WITH GRANT OPTION"], MY),
    "all of the database, and SELECT everywhere": (
        ["GRANT SELECT ON *.* TO `u`@`%`", "GRANT ALL PRIVILEGES ON `shop`.* TO `u`@`%`"], MY,
    ),
    "by a pattern": ([ROUTINE, NEEDED.replace("`shop`", "`sh_%`")], MY),
    "by an escaped name": ([ROUTINE, NEEDED.replace("`shop`", "`s\\hop`")], MY),
    "by more than one grant": (
        [ROUTINE, "GRANT SELECT, SHOW VIEW ON `shop`.* TO `u`@`%`", "GRANT EVENT, TRIGGER ON *.* TO `u`@`%`"], MY,
    ),
    "MariaDB's own": ([NEEDED, "GRANT SHOW CREATE ROUTINE ON `shop`.* TO `u`@`%`"], MA),
    "MariaDB, all of the database": (["GRANT ALL PRIVILEGES ON `shop`.* TO `u`@`%`"], MA),
    "MariaDB of old": ([NEEDED, "GRANT SELECT ON `mysql`.`proc` TO `u`@`%`"], (Engine.MARIADB, (10, 11))),
}  # fmt: skip
DATABASE, SHOW_ROUTINE = "SELECT, SHOW VIEW, TRIGGER, EVENT ON `shop`.*", "SHOW_ROUTINE ON *.*"
LACKING = {
    "nothing is granted": (["GRANT USAGE ON *.* TO `u`@`%`"], MY, [DATABASE, SHOW_ROUTINE]),
    "a role that is not active": (["GRANT `reader`@`%` TO `u`@`%`"], MY, [DATABASE, SHOW_ROUTINE]),
    "only one table": ([ROUTINE, "GRANT SELECT, TRIGGER ON `shop`.`t` TO `u`@`%`"], MY, [DATABASE]),
    "only one column": ([ROUTINE, NEEDED.replace("SELECT", "SELECT (`a`, `b`)")], MY, ["SELECT ON `shop`.*"]),
    "another database": ([ROUTINE, NEEDED.replace("`shop`", "`shop2`")], MY, [DATABASE]),
    "a name that only looks like a pattern": ([ROUTINE, NEEDED.replace("`shop`", "`sho\\_`")], MY, [DATABASE]),
    "routines": ([NEEDED], MY, [SHOW_ROUTINE]),
    "routines, though all of the database is granted": (
        ["GRANT ALL PRIVILEGES ON `shop`.* TO `u`@`%`"], MY, [SHOW_ROUTINE],
    ),
    "triggers": ([ROUTINE, NEEDED.replace(", TRIGGER", "")], MY, ["TRIGGER ON `shop`.*"]),
    "what was revoked in part": (
        ["GRANT SELECT, SHOW VIEW, EVENT, TRIGGER, SHOW_ROUTINE ON *.* TO `u`@`%`",
         "REVOKE SELECT ON `shop`.* FROM `u`@`%`"], MY, ["SELECT ON `shop`.*"],
    ),
    "MariaDB, routines": ([NEEDED], MA, ["SHOW CREATE ROUTINE ON `shop`.*"]),
    "MariaDB of old, routines": ([NEEDED], (Engine.MARIADB, (10, 11)), ["SELECT ON `mysql`.`proc`"]),
}  # fmt: skip


@pytest.mark.parametrize(("held", "server"), ENOUGH.values(), ids=ENOUGH.keys())
def test_these_grants_show_all_of_the_database(held, server):
    assert grants.missing(held, "shop", *server) == []


@pytest.mark.parametrize(("held", "server", "missing"), LACKING.values(), ids=LACKING.keys())
def test_what_is_not_granted_is_named(held, server, missing):
    assert grants.missing(held, "shop", *server) == missing


def test_the_grant_that_is_asked_for_names_the_database_so_that_it_is_no_pattern():
    assert grants.missing([ROUTINE], "a_b`%", *MY) == [DATABASE.replace("`shop`", "`a\\_b``\\%`")]


# the server


@pytest.mark.parametrize(
    ("said", "expected"),
    [("9.7.4-2", (9, 7)), ("11.8.6-MariaDB-0+deb13u1", (11, 8)), ("8.0.mysql_aurora.3.08.0", (8, 0)), ("?", (0, 0))],
)
def test_a_version_is_read(said, expected):
    assert numbers(said) == expected


def test_who_is_of_which_family():
    assert MYSQL.of("8.4.3")
    assert not MYSQL.of("11.8.6-MariaDB-0+deb13u1")
    assert MARIADB.of("5.5.5-10.11.6-MariaDB")
    assert not MARIADB.of("9.7.4-2")


@pytest.fixture
def answers(monkeypatch):
    """Let each run of the client give the next rows and, where it fails, its sentence."""
    monkeypatch.setattr("holdfast.runner.engines.again.FIRST_PAUSE", 0.01)
    monkeypatch.setattr(servers, "greeting", lambda _target: "9.7.4-2")
    given = []
    monkeypatch.setattr(servers, "_run", lambda *_: given.pop(0))
    return given


VERSION = ["version", "9.7.4-2", "u@%"]
REFUSED = ([], "ERROR 2003 (HY000): Can't connect to MySQL server on 'db:3306' (111)")


def test_what_may_pass_is_tried_again(answers):
    answers += [REFUSED, REFUSED, ([VERSION], None)]
    assert servers.ask(a_target(), "", Stop()) == [VERSION]


def test_what_will_not_pass_is_final_at_once(answers):
    answers += [([], "ERROR 1045 (28000): Access denied"), ([VERSION], None)]
    with pytest.raises(HoldfastError, match="Access denied"):
        servers.ask(a_target(), "", Stop())
    assert len(answers) == 1


def test_it_is_given_up_when_the_window_is_over(answers, monkeypatch):
    monkeypatch.setattr("holdfast.runner.engines.again.WINDOW", 0.05)
    answers += [REFUSED] * 1000
    with pytest.raises(HoldfastError) as caught:
        servers.ask(a_target(), "", Stop())
    assert caught.value.reason is Reason.CONNECTION_REFUSED
    assert len(answers) > 900


def test_a_server_of_the_other_family_is_refused_naming_the_engine_to_set(answers):
    answers.append(([["version", "11.8.6-MariaDB", "u@%"]], None))
    with pytest.raises(HoldfastError, match=r"11\.8\.6-MariaDB, which is not MySQL") as caught:
        servers.ask(a_target(), "", Stop())
    assert (caught.value.reason, caught.value.remedy) == (Reason.WRONG_ENGINE, "set database.engine: mariadb")


def test_a_server_of_the_other_family_is_known_by_its_greeting_where_nobody_can_log_in(answers):
    answers.append(([], "ERROR 2059 (HY000): Authentication plugin 'caching_sha2_password' cannot be loaded"))
    with pytest.raises(HoldfastError) as caught:
        servers.ask(a_target(MARIADB), "", Stop())
    assert caught.value.remedy == "set database.engine: mysql"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        (b"\x4a\0\0\0\x0a11.8.6-MariaDB\0\x07\0\0\0", "11.8.6-MariaDB"),
        (b"\x4a\0\0\0\x0a11.8.6", ""),
        (b"\x4a\0\0\0\xff11.8.6\0", ""),
        (b"", ""),
    ],
    ids=["whole", "cut off", "an error", "nothing"],
)
def test_a_greeting_is_believed_only_where_the_version_is_whole(said, version):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = replace(a_target(), host="127.0.0.1", port=str(listener.getsockname()[1]))
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(servers.greeting, target)
            with listener.accept()[0] as client:
                client.sendall(said)
            assert asked.result() == version


@pytest.mark.parametrize("mode", [TLSMode.REQUIRE, TLSMode.VERIFY_FULL])
def test_a_connection_that_must_be_encrypted_and_is_not_is_refused(answers, mode):
    answers.append(([VERSION, ["Ssl_cipher", ""]], None))
    with pytest.raises(HoldfastError, match="does not offer TLS"):
        servers.ask(a_target(MYSQL, mode), "", Stop())


def test_what_batch_mode_escapes_is_read_back():
    assert servers._unescaped(r"a\tb\nc\\d\0e\\n") == "a\tb\nc\\d\0e\\n"


# migrations


COLUMNS = [
    ("schema_migrations", "version", "bigint"), ("schema_migrations", "dirty", "tinyint"),
    ("knex_migrations", "id", "int"), ("knex_migrations", "name", "varchar"), ("knex_migrations", "batch", "int"),
    ("knex_migrations_lock", "index", "int"), ("knex_migrations_lock", "is_locked", "int"),
    ("_prisma_migrations", "migration_name", "varchar"), ("_prisma_migrations", "finished_at", "datetime"),
    ("_prisma_migrations", "rolled_back_at", "datetime"), ("_prisma_migrations", "started_at", "datetime"),
]  # fmt: skip
HELD = {
    "from `schema_migrations` order by `version`": [["=43", "=0"]],
    "from `knex_migrations` order by `id`": [["=NULL"], ["==2"]],
    "from `knex_migrations_lock` order by `is_locked`": [["=0"]],
    "from `_prisma_migrations` order by `started_at`": [["=a", "=2026-01-01 00:00:00", "-"], ["=b", "-", "-"]],
}


def test_migrations_are_read_with_numbers_as_numbers_and_a_null_told_from_the_word(monkeypatch):
    def run(_target, query, _stop):
        assert query.startswith(MYSQL.patience)
        return next(rows for part, rows in HELD.items() if f"{part} limit 20001;" in query), None

    monkeypatch.setattr(servers, "_run", run)
    found, warnings = history.read(a_target(), COLUMNS, Stop())
    said = {each.tool: (each.applied, each.failed, each.locked, each.table) for each in found}
    assert said == {
        "Knex": (["NULL", "=2"], [], False, "knex_migrations"),
        "golang-migrate": (["43"], [], False, "schema_migrations"),
        "Prisma": (["a"], ["b"], False, "_prisma_migrations"),
    }
    assert len(warnings) == 1


def test_numbers_are_asked_for_as_such_since_a_bit_is_printed_as_a_byte(monkeypatch):
    asked = []
    monkeypatch.setattr(servers, "_run", lambda _target, query, _stop: (asked.append(query), ([], None))[1])
    history.read(
        a_target(), [("schema_migrations", "version", "bigint"), ("schema_migrations", "dirty", "bit")], Stop()
    )
    assert "coalesce(concat('=', `dirty` + 0), '-') from `schema_migrations`" in asked[0]


def test_a_history_that_cannot_be_read_is_a_warning(monkeypatch):
    monkeypatch.setattr(servers, "_run", lambda *_: ([], "ERROR 1205 (HY000): Lock wait timeout exceeded"))
    found, warnings = history.read(a_target(), COLUMNS[:2], Stop())
    assert found == []
    assert warnings == [
        "the migrations in schema_migrations could not be read: ERROR 1205 (HY000): Lock wait timeout exceeded"
    ]


# the dump


@pytest.mark.parametrize(
    "tail",
    [
        "-- Dump completed on 2026-11-22  8:45:00\n",
        "-- Dump completed\n",
        "-- Dump completed on 2026-11-22 14:43:07\n\n",
    ],
)
def test_the_end_mark_is_seen(tail):
    mark = EndMark()
    for piece in ("x" * 10_000 + "\n\n", tail[:9], tail[9:]):
        mark.feed(memoryview(piece.encode()))
    assert mark.seen


@pytest.mark.parametrize(
    "tail",
    ["", "insert into t values ('-- Dump completed');\n", "-- Dump completed on 2026-11-22\ninsert",
     "--Dump completed\n",
     "'\n-- Dump completed', 1);\n"],
)  # fmt: skip
def test_what_is_not_the_end_mark_is_not_taken_for_it(tail):
    mark = EndMark()
    mark.feed(memoryview(f"x\n{tail}".encode()))
    assert not mark.seen


def test_a_database_whose_name_looks_like_an_option_is_a_name(tmp_path):
    context = Context(Places(run=tmp_path), Stop(), Log(), "pod-uid", NOW)
    target = Target(MYSQL, "db", "3306", "u", "--all-databases", TLSMode.PREFER, tmp_path / "client.cnf")
    assert StreamedDump(target, context, [])._command[-2:] == ["--", "--all-databases"]


def test_a_dump_takes_no_lock_and_leaves_the_servers_own_state_out():
    context = Context(Places(), Stop(), Log(), "pod-uid", NOW)
    said = StreamedDump(a_target(), context, []).arguments
    wanted = {"--single-transaction", "--routines", "--triggers", "--events", "--hex-blob", "--no-tablespaces"}
    assert wanted | {"--set-gtid-purged=OFF"} <= set(said)


@pytest.mark.parametrize(("script", "warned"), [
    ("echo \"mysqldump: Error: 'x' when trying to dump y\" >&2", ["mysqldump: Error: 'x' when trying to dump y"]),
    ("echo 'mysqldump: [Warning] z' >&2", ["mysqldump: [Warning] z"]),
    ("true", []),
], ids=["an error", "a warning", "nothing"])  # fmt: skip
def test_what_a_tool_says_although_it_ends_well_is_a_warning(tmp_path, monkeypatch, script, warned):
    tool = tmp_path / "mysqldump"
    tool.write_text(f"#!/bin/sh\n{script}\necho '-- Dump completed on 2026-11-22'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    context, warnings = Context(Places(run=tmp_path), Stop(), Log(io.StringIO()), "pod-uid", NOW), []
    progress = Progress(context.log, "dumping")
    with StreamedDump(a_target(), context, warnings) as dump:
        dump.stream(Sink(Plain(), SimpleNamespace(write=len, size=0), progress), progress)
    assert warnings == warned


# validation


def a_server(**changes):
    fields = {"version": "9.7.4-2", "user": "u@%", "database_size": 1000, "not_transactional": [], "inexact": [],
              "grants": [ROUTINE, NEEDED.replace("`shop`", "`orders`")], "histories": [],
              "select_limit": ALL_ROWS, "holey": [], "typed": [], "beside": []}  # fmt: skip
    return Server(**(fields | changes))


@pytest.fixture
def validated(places, monkeypatch):
    def run(*, read=(None, []), wanted=None, **changes):
        monkeypatch.setattr(servers, "inspect", lambda *_: a_server(**changes))
        monkeypatch.setattr(accounts, "read", lambda *_, asked_for: (read[0], [*read[1], *["asked for"] * asked_for]))
        monkeypatch.setattr(source, "version", lambda _name: "9.7.4-2")
        put(places.database_secret, username="u", password="p")
        found = source.MySQL(a_database(), Context(places, Stop(), Log(), "pod", NOW), source.Overrides())
        return found, found.validate(with_globals=wanted)

    return run


def test_a_valid_database_is_ready_without_a_warning(validated):
    found, ready = validated()
    assert found.warnings == []
    assert (ready.server_version, ready.server_major, ready.tool_version) == ("MySQL 9.7.4-2", 9, "mysqldump 9.7.4-2")


def test_accounts_and_grants_are_read_unless_the_policy_leaves_them_out(validated):
    beside = Globals(version=1, engine="mysql", database="shop")
    for wanted, more in ((None, []), (True, ["asked for"])):
        found, ready = validated(read=(beside, ["of accounts"]), wanted=wanted)
        assert (ready.globals, found.warnings) == (beside, ["of accounts", *more])
    found, ready = validated(read=(beside, ["of accounts"]), wanted=False)
    assert (ready.globals, found.warnings) == (None, [])


def test_a_server_of_a_newer_major_version_is_refused_naming_its_image(validated):
    with pytest.raises(HoldfastError, match=r"mysqldump 9\.7\.4-2 is older than the server") as caught:
        validated(version="10.1.0")
    assert caught.value.reason is Reason.TOOL_TOO_OLD
    assert caught.value.server_major == 10
    assert "mysql-10" in caught.value.remedy


def test_a_server_of_a_newer_minor_version_is_dumped_with_a_warning(validated):
    found, _ = validated(version="9.8.0")
    assert "newer than mysqldump 9.7.4-2" in found.warnings[0]


def test_a_user_who_may_not_see_everything_is_told_what_to_grant(validated):
    with pytest.raises(HoldfastError, match="has no right to see the whole database") as caught:
        validated(grants=[NEEDED.replace("`shop`", "`orders`")])
    assert caught.value.reason is Reason.DUMP_FAILED
    assert caught.value.remedy == "GRANT SHOW_ROUTINE ON *.* TO the_user@`%`;"


def test_columns_whose_bytes_may_get_lost_are_dumped_as_bytes(validated):
    found, ready = validated(holey=[("t.v", "cp1251")])
    assert found.warnings == []
    dump = found.dumping(Dump(), ready, None)
    assert {"--default-character-set=binary", "--skip-set-charset", "--hex-blob"} <= set(dump.arguments)


def test_a_database_without_such_columns_is_dumped_as_text(validated):
    found, ready = validated()
    assert not {"--default-character-set=binary", "--skip-set-charset"} & set(
        found.dumping(Dump(), ready, None).arguments
    )


def test_where_a_type_cannot_go_back_as_bytes_the_columns_that_may_lose_some_are_named(validated):
    found, ready = validated(holey=[("t.v", "cp1251")], typed=[("t.id", "uuid")])
    assert found.warnings[0].startswith("not exact: t.v (cp1251): a byte that")
    assert "no column of type uuid (t.id)" in found.warnings[0]
    assert "--skip-set-charset" not in found.dumping(Dump(), ready, None).arguments


def test_mariadb_is_not_dumped_where_the_server_would_leave_rows_out(places, monkeypatch):
    monkeypatch.setattr(servers, "inspect", lambda *_: a_server(
        version="11.8.9-MariaDB", grants=["GRANT ALL PRIVILEGES ON *.* TO x"], select_limit=5))  # fmt: skip
    monkeypatch.setattr(source, "version", lambda _name: "11.8.9")
    put(places.database_secret, username="u", password="p")
    database = a_database(engine="mariadb")
    found = source.MySQL(database, Context(places, Stop(), Log(), "pod", NOW), source.Overrides())
    with pytest.raises(HoldfastError, match="at most that many rows of each table") as caught:
        found.validate()
    assert caught.value.remedy.startswith("SET GLOBAL sql_select_limit = DEFAULT")


@pytest.mark.parametrize(
    ("reason", "number", "remedy"),
    [
        (Reason.RESTORE_FAILED, 1227, "SYSTEM_USER"),
        (Reason.RESTORE_FAILED, 1205, "and end it"),
        (Reason.RESTORE_FAILED, 6125, "SET GLOBAL restrict_fk_on_non_standard_key = OFF"),
        (Reason.DUMP_FAILED, 1370, "GRANT EXECUTE"),
        (Reason.DUMP_FAILED, 1205, "create another backup"),
    ],
)
def test_the_remedy_of_a_restore_speaks_of_restores(reason, number, remedy):
    with pytest.raises(HoldfastError) as caught, explained():
        raise HoldfastError(reason, f"the tool: ERROR {number} (HY000) at line 3: said", "other")
    assert remedy in caught.value.remedy
    assert ("backup" in caught.value.remedy) is (remedy == "create another backup")


def test_what_a_dump_cannot_hold_is_named_up_to_ten(validated):
    found, _ = validated(not_transactional=[(f"t{number}", "MyISAM") for number in range(12)])
    assert "t9 (MyISAM) and 2 more" in found.warnings[0]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("mysqldump  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", "9.7.4-2"),
        ("mariadb-dump from 11.8.6-MariaDB, client 10.19 for debian-linux-gnu (x86_64)", "11.8.6-MariaDB"),
    ],
)
def test_a_tools_version_is_read(tmp_path, monkeypatch, said, expected):
    (tmp_path / "mysqldump").write_text(f"#!/bin/sh\necho '{said}'\n")
    (tmp_path / "mysqldump").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + ":/bin")
    assert source.version("mysqldump") == expected


# the flags on which a promise rests


@pytest.mark.parametrize(
    ("flavour", "flag", "else_"),
    [
        pytest.param(MYSQL, "--skip-add-drop-table", "a restore in the wrong place replaces tables", id="mysql-drop"),
        pytest.param(MARIADB, "--skip-add-drop-table", "a restore in the wrong place replaces tables", id="maria-drop"),
        pytest.param(MYSQL, "--single-transaction", "the tables are of different moments", id="mysql-moment"),
        pytest.param(MARIADB, "--single-transaction", "the tables are of different moments", id="maria-moment"),
        pytest.param(MYSQL, "--set-gtid-purged=OFF", "a restore asks for a right of administrators", id="mysql-gtid"),
        pytest.param(MARIADB, "--dump-history", "rows of the past are lost", id="maria-history"),
    ],
)
def test_a_dump_has_each_flag_that_a_promise_rests_on(flavour, flag, else_):
    assert flag in arguments(flavour), else_


@pytest.mark.parametrize(
    ("flavour", "flags"),
    [(MYSQL, {"--commands=OFF", "--local-infile=0"}), (MARIADB, {"--sandbox", "--local-infile=0"})],
    ids=lambda each: getattr(each, "name", ""),
)
def test_a_restore_runs_no_command_of_the_clients_own(monkeypatch, places, flavour, flags):
    fed = []
    monkeypatch.setattr(restore, "feed_tool", lambda command, *_: fed.append(command))
    log = Log(io.StringIO())
    context = Context(places, Stop(), log, "pod-1", NOW)
    restore.feed(iter([b""]), a_target(flavour), "orders", flavour.lifted, context, Progress(log, "restoring"))
    assert flags <= set(fed[0])
    assert f"--init-command={flavour.lifted}" in fed[0]
    assert "--database=orders" in fed[0]


# what a dump and a restore must not do


def a_script(folder, monkeypatch, name, does):
    (folder / name).write_text(f"#!/bin/sh\n{does}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize("flavour", FLAVOURS.values(), ids=lambda flavour: flavour.name)
@pytest.mark.parametrize("written", ["", "-- Dump comp", "insert into t values (1"], ids=["nothing", "half", "cut"])
def test_a_dump_whose_tool_exits_0_without_the_end_mark_is_none(tmp_path, monkeypatch, flavour, written):
    a_script(tmp_path, monkeypatch, flavour.dump, f"printf %s '{written}'")
    context = Context(Places(run=tmp_path), Stop(), Log(io.StringIO()), "pod-uid", NOW)
    progress = Progress(context.log, "dumping")
    sink = Sink(Plain(), SimpleNamespace(write=len, size=0), progress)
    with StreamedDump(a_target(flavour), context, []) as dump, pytest.raises(HoldfastError) as caught:
        dump.stream(sink, progress)
    assert caught.value.reason is Reason.END_MARK_MISSING


ERRORS = (1044, 1104, 1142, 1143, 1146, 1153, 1205, 1227, 1273, 1356, 1370, 1412, 1419, 1449, 1969, 2006, 2013, 2020,
          2026, 3024, 3750, 6125)  # fmt: skip


@pytest.mark.parametrize("number", ERRORS)
def test_no_remedy_of_a_restore_speaks_of_the_backup(number):
    with pytest.raises(HoldfastError) as caught, explained():
        raise HoldfastError(
            Reason.RESTORE_FAILED, f"mysql exited 1: ERROR {number} (HY000) at line 1: no", "the tool's"
        )
    assert re.search(r"backup needs|during the dump|time of the backup|another backup", caught.value.remedy) is None
