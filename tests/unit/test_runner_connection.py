"""From the task and its Secret to what libpq is told: names as they are, passwords in pgpass only."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from holdfast.api.database import Database, TLSMode
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres.connection import Target, resolve, stricter
from holdfast.runner.pod.context import Places


def a_database(name="orders", **connection):
    fields = {"host": "db", "secretName": "orders-db"} | connection
    return Database.model_validate({"engine": "postgresql", "name": name, "connection": fields})


@pytest.fixture
def places(tmp_path):
    folders = {name: tmp_path / name for name in ("database_secret", "database_ca", "run")}
    for folder in folders.values():
        folder.mkdir()
    return Places(**folders)


def put(folder, **values):
    for key, value in values.items():
        (folder / key).write_text(value)


def a_target(database, tmp_path):
    return Target("db", "5432", "u", database, "prefer", tmp_path / "pgpass")


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1))
def test_any_database_name_is_carried_as_it_is_and_never_parsed(name):
    target = a_target(name, Path("/run"))
    assert conninfo_to_dict(target.conninfo())["dbname"] == name


def test_the_connection_string_holds_no_password(places):
    put(places.database_secret, username="u\n", password="hush-hush\n")
    target = resolve(a_database(), places)
    assert target.user == "u"
    assert "hush" not in repr(target) + target.conninfo() + str(target.parameters())
    assert "user" not in conninfo_to_dict(target.conninfo())
    assert target.environment() == {"PGSERVICEFILE": str(places.run / "pg_service.conf")}
    assert (places.run / "pg_service.conf").read_text() == "[holdfast]\nuser=u\n"
    assert (places.run / "pgpass").read_text() == "*:*:*:*:hush-hush\n"
    assert (places.run / "pgpass").stat().st_mode & 0o777 == 0o600


URLS = {
    "all of it": ("postgresql://u:p@h:6000/other", ("h", "6000", "u", "p")),
    "the short scheme": ("postgres://u:p@h/other", ("h", "5432", "u", "p")),
    "percent-encoded": ("postgresql://us%40er:p%3Aw%2F%25%20%C3%BC@h/x", ("h", "5432", "us@er", "p\\:w/% ü")),
    "an IPv6 address": ("postgresql://u:p@[::1]:5433/x", ("::1", "5433", "u", "p")),
    "an IPv6 address with a zone": ("postgresql://u:p@[fe80::1%25eth0]/x", ("fe80::1%eth0", "5432", "u", "p")),
    "a host of other letters": ("postgresql://u:p@d%C3%B6ner.example/x", ("döner.example", "5432", "u", "p")),
    "several hosts": ("postgresql://u:p@a:6000,b:6001/x", ("a,b", "6000,6001", "u", "p")),
    "several hosts, some with a port": ("postgresql://u:p@a,b:6001,c/x", ("a,b,c", "5432,6001,5432", "u", "p")),
    "several hosts of one port": ("postgresql://u:p@/x?host=a,b&port=6000", ("a,b", "6000", "u", "p")),
    "several addresses": ("postgresql://u:p@[::1]:6000,10.0.0.1/x", ("::1,10.0.0.1", "6000,5432", "u", "p")),
    "without a database": ("postgresql://u:p@h", ("h", "5432", "u", "p")),
}


@pytest.mark.parametrize("key", ["url", "uri"])
@pytest.mark.parametrize(("url", "expected"), URLS.values(), ids=URLS.keys())
def test_a_url_is_read_where_no_host_is_given_and_the_specs_database_wins(places, key, url, expected):
    put(places.database_secret, **{key: url + "\n"})
    target = resolve(a_database(host=None), places)
    host, port, user, password = expected
    assert (target.host, target.port, target.user, target.database) == (host, port, user, "orders")
    assert (places.run / "pgpass").read_text() == f"*:*:*:*:{password}\n"


def test_the_specs_port_wins_over_the_urls(places):
    put(places.database_secret, url="postgresql://u:p@h:6000/x")
    assert resolve(a_database(host=None, port=7000), places).port == "7000"


def test_the_user_is_told_by_where_his_name_stands_since_any_key_may_hold_the_password(places):
    put(places.database_secret, username="hush-hush", password="u", url="postgresql://hush-hush:p@h/x")
    assert str(resolve(a_database(), places)) == (
        "database 'orders' at db:5432 as the user in Secret orders-db, key username"
    )
    assert str(resolve(a_database(host=None), places)).endswith("as the user in Secret orders-db, key url")


def test_a_users_name_in_the_spec_wins_and_is_told(places):
    put(places.database_secret, password="p", username="other", url="postgresql://other:p@h/x")
    for target in (resolve(a_database(username="me"), places), resolve(a_database(host=None, username="me"), places)):
        assert target.user == "me"
        assert str(target).endswith("as user 'me'")


@pytest.mark.parametrize(
    "user", ["hush\nhush", "hush-hush ", "x" * 201], ids=["a line break", "a space at its end", "too long"]
)
def test_a_users_name_that_a_service_file_cannot_carry_is_refused_without_being_shown(places, user):
    put(places.database_secret, password="p", username=user)
    with pytest.raises(HoldfastError, match="Secret orders-db, key username") as caught:
        resolve(a_database(), places)
    assert user not in caught.value.message + caught.value.remedy


def test_a_host_in_the_spec_means_that_the_url_is_not_read(places):
    put(places.database_secret, url="postgresql://u:p@h/x", username="me", password="mine")
    assert (resolve(a_database(), places).host, resolve(a_database(), places).user) == ("db", "me")


BAD_URLS = [
    "postgresql://u:hush%zz@h/x",
    "postgresql://u:hush@/x",
    "host=h user=u password=hush",
    "hush",
    "postgresql://u:p@hush@h/x",
    "postgresql://u:p@h:hush/x",
    "https://hush@h",
    "postgresql://u:p@%2Fvar%2Frun%2Fhush/x",
    "postgresql://u:p@/x?host=/var/run/hush",
    "postgresql://u:p@a,,b/hush",
    "postgresql://u:p@a,b/hush?host=c,",
    "postgresql://u:p@a,b/x?port=1,2,3&application_name=hush",
    "postgresql://u:p@h:0/hush",
    "postgresql://u:p@h:70000/hush",
    "postgresql://u:p@h/x?target_session_attrs=hush",
    "postgresql://u:p@h/x?hush=1",
    "postgresql://u:p@h;hush/x",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_url_that_is_none_is_refused_without_being_shown(places, url):
    put(places.database_secret, url=url)
    with pytest.raises(HoldfastError, match="Secret orders-db, key url") as caught:
        resolve(a_database(host=None), places)
    assert caught.value.reason is Reason.SECRET_INVALID
    assert "hush" not in f"{caught.value!r} {caught.value.message} {caught.value.remedy}"
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_what_a_url_says_beyond_the_connection_is_told_to_be_unused(places):
    put(places.database_secret, url="postgresql://u:p@h/x?options=-csearch_path%3Da&application_name=x")
    assert resolve(a_database(host=None), places).warnings == [
        "the connection URL's application_name, options is not used"
    ]


SEVERAL = "postgresql://u:p@standby:5432,primary:5433/x?target_session_attrs=read-write"


def test_of_several_hosts_libpq_is_told_all_and_which_kind_will_do(places):
    put(places.database_secret, url=SEVERAL)
    target = resolve(a_database(host=None), places)
    told = conninfo_to_dict(target.conninfo())
    assert (told["host"], told["port"]) == ("standby,primary", "5432,5433")
    assert told["target_session_attrs"] == target.parameters()["target_session_attrs"] == "read-write"
    assert str(target).startswith("database 'orders' at standby:5432, primary:5433 as ")
    assert target.warnings == []


def test_the_one_that_answered_is_the_only_one_from_then_on(places):
    put(places.database_secret, url=SEVERAL)
    target = resolve(a_database(host=None), places).answered("primary", "5433")
    told = conninfo_to_dict(target.conninfo())
    assert (told["host"], told["port"], told["target_session_attrs"]) == ("primary", "5433", "read-write")
    assert target.is_one


@pytest.mark.parametrize(
    ("url", "host", "port", "expected"),
    [
        (SEVERAL, "other", None, ("other", "5432", "")),
        (SEVERAL, "other", "7000", ("other", "7000", "")),
        (SEVERAL, None, "7000", ("standby,primary", "7000", "read-write")),
        (SEVERAL, None, None, ("standby,primary", "5432,5433", "read-write")),
        ("postgresql://u:p@a:6000,b:6000/x", "other", None, ("other", "6000", "")),
        ("postgresql://u:p@a:6000/x", "other", None, ("other", "6000", "")),
    ],
    ids=["host", "host and port", "port", "nothing", "host, the same port of all", "host for one"],
)
def test_another_host_takes_the_place_of_all(places, url, host, port, expected):
    put(places.database_secret, url=url)
    target = resolve(a_database(host=None), places).aimed(host, port, None)
    assert (target.host, target.port, target.session) == expected
    assert target.database == "orders"


@pytest.mark.parametrize("kind", ["standby", "prefer-standby", "read-only", "any"])
def test_what_writes_wants_one_that_can_be_written_to(places, kind):
    put(places.database_secret, url=f"postgresql://u:p@a,b/x?target_session_attrs={kind}")
    target = resolve(a_database(host=None), places)
    assert target.session == kind
    assert target.writable().session == "read-write"
    assert target.aimed("a", None, None).writable().session == ""


@pytest.mark.parametrize("mode", TLSMode)
@pytest.mark.parametrize("other", [None, "nonsense", *TLSMode])
def test_the_stricter_of_two_tls_modes_is_in_force(mode, other):
    order = list(TLSMode)
    known = order.index(TLSMode(other)) if other in order else 0
    assert stricter(mode, other) == order[max(order.index(mode), known)].value


def test_a_certificate_authority_may_be_in_a_config_map(places):
    put(places.database_secret, username="u", password="p")
    put(places.database_ca, **{"root.pem": "PEM"})
    named = {"mode": "verify-full", "caConfigMapName": "trust"}

    target = resolve(a_database(tls={**named, "caConfigMapKey": "root.pem"}), places)
    with pytest.raises(HoldfastError) as error:
        resolve(a_database(tls=named), places)

    assert target.parameters()["sslrootcert"] == str(places.database_ca / "root.pem")
    assert error.value.message == "ConfigMap trust has no key ca.crt; it has root.pem"


def test_a_certificate_authority_is_given_to_libpq(places):
    put(places.database_secret, username="u", password="p")
    put(places.database_ca, **{"ca.crt": "PEM"})
    target = resolve(a_database(tls={"mode": "verify-full", "caSecretName": "db-ca"}), places)
    assert target.parameters()["sslmode"] == "verify-full"
    assert target.parameters()["sslrootcert"] == str(places.database_ca / "ca.crt")
