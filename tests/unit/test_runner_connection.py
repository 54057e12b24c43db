"""From the task and its Secret to what libpq is told: names as they are, passwords in pgpass only."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from holdfast.api.database import Database, TLSMode
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.context import Places
from holdfast.runner.postgres.connection import Target, resolve, stricter


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
    put(places.database_secret, url="postgresql://u:p@h/x?options=-csearch_path%3Da&target_session_attrs=primary")
    assert resolve(a_database(host=None), places).warnings == [
        "the connection URL's options, target_session_attrs is not used"
    ]


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
