"""PostgreSQL's needs: statements quoted by its rules, entries left out of an archive, bodies read for bare names."""

import json
from types import SimpleNamespace

import pytest

from holdfast.contract.needs import ManifestNeed, NeedKind
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres import entries, losses, needs, statements, target
from holdfast.runner.engines.postgres.commands import without_commands
from holdfast.runner.engines.tool_errors import remedy_for

LIBC = {"provider": "libc", "lc_collate": "en_US.utf8", "lc_ctype": "en_US.utf8"}
ICU = {"provider": "icu", "lc_collate": "C", "lc_ctype": "C", "locale": "de-DE", "rules": "&a < b"}
BUILTIN = {"provider": "builtin", "lc_collate": "C", "lc_ctype": "C", "locale": "C.UTF-8"}
START = 'CREATE DATABASE "shop" TEMPLATE template0 '
DATABASES = {
    "libc": ("UTF8", LIBC, 17, "ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'en_US.utf8' LC_CTYPE 'en_US.utf8'"),
    "libc, on a server without providers": (
        "UTF8", LIBC, 14, "ENCODING 'UTF8' LC_COLLATE 'en_US.utf8' LC_CTYPE 'en_US.utf8'",
    ),
    "icu": (
        "UTF8", ICU, 16,
        "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' ICU_RULES '&a < b' LC_COLLATE 'C' LC_CTYPE 'C'",
    ),
    "icu, on a server without rules": (
        "UTF8", ICU, 15, "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LC_COLLATE 'C' LC_CTYPE 'C'",
    ),
    "builtin": (
        "UTF8", BUILTIN, 17,
        "ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'",
    ),
    "builtin, on a server without it": ("UTF8", BUILTIN, 16, "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"),
    "what a hostile manifest says": (
        "UTF8'; drop", {"provider": "x; y", "lc_collate": "'; drop --", "lc_ctype": "C\\"}, 17,
        "LOCALE_PROVIDER libc LC_COLLATE '''; drop --' LC_CTYPE E'C\\\\'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("encoding", "locale", "major", "end"), DATABASES.values(), ids=DATABASES.keys())
def test_a_database_is_made_with_the_same_encoding_and_locale_as_its_server_knows_them(encoding, locale, major, end):
    assert statements.create_database("shop", encoding, locale, major) == START + end


SETTINGS = {
    "a number": ("work_mem", "8MB", "work_mem TO '8MB'"),
    "a list of names": ("search_path", '"$user", app, "Odd ""one"""', "search_path TO '$user', 'app', 'Odd \"one\"'"),
    "an empty list": ("search_path", "", "search_path TO ''"),
    "a list that is no list of names": ("DateStyle", "ISO, DMY", "DateStyle TO 'ISO, DMY'"),
    "an application's own": ("app.tenant", "it's", "app.tenant TO 'it''s'"),
    "a hostile one": ("x; drop table y", "z", "\"x; drop table y\" TO 'z'"),
}


@pytest.mark.parametrize(("name", "value", "said"), SETTINGS.values(), ids=SETTINGS.keys())
def test_a_setting_is_written_as_alter_database_takes_it(name, value, said):
    assert statements.set_value(name, value) == said


def a_need(kind, name, value=None, of=None):
    return ManifestNeed.of_server(kind, name, value, of=of)


DBLINK = 'CREATE EXTENSION "dblink" SCHEMA'
STATEMENTS = {
    "role": (a_need(NeedKind.ROLE, 'a"b'), 'CREATE ROLE "a""b"'),
    "extension": (a_need(NeedKind.EXTENSION, "dblink", "1.2", "public"), 'CREATE EXTENSION "dblink" SCHEMA "public"'),
    "extension in a schema of its own": (
        a_need(NeedKind.EXTENSION, "dblink", "1.2", "tools"),
        f'CREATE SCHEMA IF NOT EXISTS "tools" AUTHORIZATION pg_database_owner; {DBLINK} "tools"',
    ),
    "setting": (
        a_need(NeedKind.DATABASE_SETTING, "TimeZone", "UTC"), "ALTER DATABASE \"it\" SET TimeZone TO 'UTC'",
    ),
    "setting of a role": (
        a_need(NeedKind.DATABASE_SETTING, "TimeZone", "UTC", "app"),
        "ALTER ROLE \"app\" IN DATABASE \"it\" SET TimeZone TO 'UTC'",
    ),
    "comment": (a_need(NeedKind.COMMENT, "shop", "it's"), "COMMENT ON DATABASE \"it\" IS 'it''s'"),
    "foreign-data wrapper": (
        a_need(NeedKind.PRIVILEGE, "USAGE", None, "postgres_fdw"),
        'GRANT USAGE ON FOREIGN DATA WRAPPER "postgres_fdw" TO the_restoring_user',
    ),
    "tablespace": (a_need(NeedKind.TABLESPACE, "fast"), None),
    "version": (a_need(NeedKind.SERVER_VERSION, "PostgreSQL", "17"), None),
    "a kind of a later version": (ManifestNeed(kind="Moon", name="full"), None),
}  # fmt: skip


@pytest.mark.parametrize(("need", "said"), STATEMENTS.values(), ids=STATEMENTS.keys())
def test_each_need_has_its_statement_for_the_target_and_no_other_database(need, said):
    assert statements.statement(need, "it", 17) == said


LIST = b"""; Archive created at 2026
2; 3079 16385 EXTENSION - dblink 
3420; 0 0 COMMENT - EXTENSION dblink 
6; 2615 16389 SCHEMA - tools postgres
7; 2615 16390 SCHEMA - app postgres
220; 1259 16400 TABLE public EXTENSION postgres
3421; 0 0 COMMENT public TABLE t postgres
"""  # noqa: W291 - as pg_restore writes it


def test_comments_on_extensions_and_schemas_that_are_there_are_left_out_of_an_archives_entries():
    kept = entries.without(LIST, ["tools", "x"])
    assert kept == b"\n".join(line for line in LIST.split(b"\n") if b"COMMENT - " not in line and b"tools" not in line)


def test_an_archive_of_which_nothing_is_left_out_is_restored_without_a_list():
    assert entries.without(b"7; 2615 16390 SCHEMA - app postgres\n", ["tools"]) is None


SCRIPT = rb"""--
SET statement_timeout = 0;

CREATE SCHEMA tools;


CREATE SCHEMA app;

CREATE EXTENSION IF NOT EXISTS dblink WITH SCHEMA tools;

--
COMMENT ON EXTENSION dblink IS 'it''s; a "comment"
over lines';

CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$
COMMENT ON EXTENSION dblink IS 'x';
CREATE SCHEMA tools;
$$;
COPY public.t (v) FROM stdin;
COMMENT ON EXTENSION dblink IS 'x';
\.
SELECT 1;
"""
LEFT = SCRIPT.replace(b"CREATE SCHEMA tools;\n\n", b"\n\n", 1).replace(
    b"COMMENT ON EXTENSION dblink IS 'it''s; a \"comment\"\nover lines';", b"", 1
)


@pytest.mark.parametrize("size", [1, 7, 64, 100, 1 << 20])
def test_a_script_is_passed_on_without_comments_on_extensions_and_schemas_that_are_there(size):
    chunks = (SCRIPT[at : at + size] for at in range(0, len(SCRIPT), size))
    assert b"".join(without_commands(chunks, ["tools"])) == LEFT


def test_a_comment_on_an_extension_that_does_not_end_is_refused_and_not_held_for_ever():
    def endless():
        yield b"\nCOMMENT ON EXTENSION dblink IS '"
        for _ in range(100):
            yield b"x" * 100_000

    with pytest.raises(HoldfastError) as caught:
        for _ in without_commands(endless()):
            pass
    assert caught.value.reason is Reason.RESTORE_FAILED


BODIES = {
    "a bare table": ("select 1 from rates", True),
    "a bare table in quotes": ('select 1 from "rates"', True),
    "with its schema": ("select 1 from app.rates", False),
    "with its schema, in quotes": ('select 1 from "app"."rates"', False),
    "in a comment": ("select 1 -- rates\n/* rates\n */", False),
    "in a text": ("select 'rates'", False),
    "as a part of another word": ("select my_rates, rates2", False),
    "a column of it alone": ("select rates.x from app.t", False),
    "itself": ("select is_rate(1)", False),
}


@pytest.mark.parametrize(("body", "told"), BODIES.values(), ids=BODIES.keys())
def test_a_body_that_names_something_without_its_schema_is_told(body, told):
    found = losses.without_schema([("app.is_rate", body, "the check c")], {"rates", "is_rate"})
    assert found == (["the check c calls app.is_rate, which names rates"] if told else [])


def test_a_locale_is_read_from_a_row_of_any_version():
    assert needs.locale_of({"datcollate": "C", "datctype": "C"}) == {
        "provider": "libc", "lc_collate": "C", "lc_ctype": "C",
    }  # fmt: skip
    row = {"datlocprovider": "i", "datcollate": "C", "datctype": "C", "daticulocale": "de", "datcollversion": "1"}
    assert needs.locale_of(row)["locale"] == "de"
    assert needs.locale_of({"datlocprovider": "b", "datlocale": "C.UTF-8"})["provider"] == "builtin"


def test_a_target_that_lacks_nothing_is_ready():
    target.require(target.Found(warnings=["w"]), "it")


def test_what_is_lacking_is_told_bounded_with_what_to_run():
    found = target.Found(missing=["m" * 1000] * 99, run=[f"CREATE ROLE r{n}" for n in range(99)])
    with pytest.raises(HoldfastError) as caught:
        target.require(found, "it")
    assert caught.value.reason is Reason.TARGET_NOT_READY
    assert "and 94 more; nothing was changed" in caught.value.message
    assert len(caught.value.message) < 2000
    assert "connect to the target: CREATE ROLE r0; CREATE ROLE r1" in caught.value.remedy


def test_a_target_that_is_made_anew_is_that_first_and_asked_again_about_the_rest():
    found = target.Found(missing=["m"], run=['CREATE DATABASE "it" ENCODING', "CREATE EXTENSION x"], anew=True)
    with pytest.raises(HoldfastError) as caught:
        target.require(found, "it")
    assert 'create it again, with its OWNER: CREATE DATABASE "it" ENCODING; then restore again' in caught.value.remedy
    assert "EXTENSION" not in caught.value.remedy


REMEDIES = {
    'ERROR:  permission denied to create extension "dblink"': "CREATE EXTENSION",
    "ERROR:  permission denied for schema public": "owns the target",
    "ERROR:  must be owner of extension dblink": "owns the target",
    'ERROR:  role "reader" does not exist': "CREATE ROLE",
    'ERROR:  relation "rates" does not exist': "search_path",
    'ERROR:  function valid(text) does not exist': "search_path",
    'ERROR:  schema "app" already exists': "new, empty database",
    'ERROR:  invalid byte sequence for encoding "UTF8": 0xe9': "encoding",
    "FATAL:  terminating connection due to administrator command": "restore again",
    "ERROR:  canceling statement due to lock timeout": "then restore again",
    "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute": "raise max_connections",
    "FATAL:  sorry, too many clients already": "raise max_connections",
    'FATAL:  too many connections for role "shop"': "ALTER ROLE … (or ALTER DATABASE …) CONNECTION LIMIT",
    "ERROR:  cannot execute CREATE TABLE in a read-only transaction": "read-only",
}  # fmt: skip


@pytest.mark.parametrize(("said", "words"), REMEDIES.items(), ids=REMEDIES.keys())
def test_the_remedy_of_a_restore_speaks_of_restores(said, words):
    remedy = remedy_for(said, Reason.RESTORE_FAILED)
    assert words in remedy
    assert "pg_read_all_data" not in remedy
    assert "create another backup" not in remedy


def test_the_remedy_of_a_dump_speaks_of_dumps():
    assert "pg_read_all_data" in remedy_for("permission denied for table t", Reason.DUMP_FAILED)


class FakeServer:
    """Answers the questions about a target, as a server that has nothing but an empty database in UTF-8."""

    def __init__(self, major=17, **answers):
        self.info = SimpleNamespace(server_version=major * 10000)
        self._answers = answers
        self.asked = []

    def execute(self, query, values=()):
        text = query.decode()
        name = next(name for name, known in QUESTIONS.items() if known.replace("{most}", str(needs.MOST)) == text)
        self.asked.append((name, values))
        return SimpleNamespace(fetchall=lambda: self._answers.get(name, NOTHING[name]))


QUESTIONS = {
    "might": target._MIGHT, "roles": target._ROLES, "installed": target._INSTALLED, "available": target._AVAILABLE,
    "wrappers": target._WRAPPERS, "database": needs.DATABASE, "settings": needs.SETTINGS,
}  # fmt: skip
ROW = json.dumps({"datlocprovider": "c", "datcollate": "C", "datctype": "C", "datcollversion": "2.40"})
NOTHING = {"might": [(False, True)], "database": [(ROW, "UTF8", None)]} | {
    name: [] for name in ("roles", "installed", "available", "wrappers", "settings")
}
DBLINK_NEED = ManifestNeed.of_server(NeedKind.EXTENSION, "dblink", "1.2, not trusted, owned by o", of="public")
WRAPPER = ManifestNeed.of_server(NeedKind.PRIVILEGE, "USAGE", of="postgres_fdw", required=True)
SUPERUSER = ManifestNeed.of_server(NeedKind.PRIVILEGE, "superuser", "event trigger e", required=True)
ZONE = a_need(NeedKind.DATABASE_SETTING, "TimeZone", "UTC")


def lacks(server, *wanted):
    return target.Survey(server, "it", wanted).lacks()


REFUSED = {
    "another encoding": (
        FakeServer(), a_need(NeedKind.ENCODING, "LATIN1"),
            "the encoding LATIN1 is the encoding of the dump, but the target has UTF8",
        "CREATE DATABASE \"it\" TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc",
    ),
    "a role that is not there": (
        FakeServer(roles=[("other",)]), a_need(NeedKind.ROLE, "reader"), "the role reader does not exist",
        'CREATE ROLE "reader"',
    ),
    "an extension that only an administrator makes": (
        FakeServer(available=[("dblink", False)]), DBLINK_NEED, "this user has no right to create it",
        f'{DBLINK} "public"',
    ),
    "an extension that is trusted, for who may make nothing": (
        FakeServer(available=[("dblink", True)], might=[(False, False)]), DBLINK_NEED,
            "this user has no right to create it",
        f'{DBLINK} "public"',
    ),
    "an extension whose package is not there": (
        FakeServer(), DBLINK_NEED, "is not available on the server", f'{DBLINK} "public"',
    ),
    "a right on a wrapper": (
        FakeServer(wrappers=[("postgres_fdw", False)]), WRAPPER, "is a right that this user lacks",
        'GRANT USAGE ON FOREIGN DATA WRAPPER "postgres_fdw" TO the_restoring_user',
    ),
    "what only a superuser makes": (FakeServer(), SUPERUSER, "only a superuser may create", None),
    "an older server": (
        FakeServer(16), a_need(NeedKind.SERVER_VERSION, "PostgreSQL", "17"), "the server is PostgreSQL 16", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("server", "need", "words", "run"), REFUSED.values(), ids=REFUSED.keys())
def test_a_target_that_lacks_it_is_refused_with_the_statement(server, need, words, run):
    found = lacks(server, need)
    (missing,) = found.missing
    assert words in missing
    assert found.run == ([run] if run else [])
    assert found.anew is (need.kind == "Encoding")


READY = {
    "the same encoding": (FakeServer(), a_need(NeedKind.ENCODING, "UTF8")),
    "a role that is there": (FakeServer(roles=[("reader",)]), a_need(NeedKind.ROLE, "reader")),
    "an extension that is there": (FakeServer(installed=[("dblink", "1.2")]), DBLINK_NEED),
    "an extension that its owner may make": (FakeServer(available=[("dblink", True)]), DBLINK_NEED),
    "any extension, for a superuser": (
        FakeServer(available=[("dblink", False)], might=[(True, True)]), DBLINK_NEED,
    ),
    "a right that the user has": (FakeServer(wrappers=[("postgres_fdw", True)]), WRAPPER),
    "a wrapper that the restore makes with its extension": (FakeServer(), WRAPPER),
    "anything, for a superuser": (FakeServer(might=[(True, True)]), SUPERUSER),
    "a server of that version": (FakeServer(17), a_need(NeedKind.SERVER_VERSION, "PostgreSQL", "17")),
    "a version that is no number": (FakeServer(9), a_need(NeedKind.SERVER_VERSION, "PostgreSQL", "17 or so")),
    "a setting that is there": (FakeServer(settings=[("", "TimeZone=UTC")]), ZONE),
    "a comment that is there": (
        FakeServer(database=[(ROW, "UTF8", "it's")]), a_need(NeedKind.COMMENT, "shop", "it's"),
    ),
    "another version of the same collation": (FakeServer(), a_need(NeedKind.LOCALE, "version", "2.36")),
    "a name that no server has": (FakeServer(), a_need(NeedKind.ROLE, "a\0b")),
    "a kind of a later version": (FakeServer(), ManifestNeed(kind="Moon", name="full", required=True)),
}  # fmt: skip


@pytest.mark.parametrize(("server", "need"), READY.values(), ids=READY.keys())
def test_a_target_that_has_it_is_ready(server, need):
    assert lacks(server, need) == target.Found()


TOLD_AFTER = {
    "a setting": (ZONE, "ALTER DATABASE \"it\" SET TimeZone TO 'UTC'"),
    "a comment": (a_need(NeedKind.COMMENT, "shop", "it's"), "COMMENT ON DATABASE \"it\" IS 'it''s'"),
    "a tablespace": (a_need(NeedKind.TABLESPACE, "fast", "1 table or index, such as a.b"), "such as a.b"),
    "another locale": (a_need(NeedKind.LOCALE, "lc_collate", "de_DE"), "lc_collate is C instead of de_DE"),
}


@pytest.mark.parametrize(("need", "words"), TOLD_AFTER.values(), ids=TOLD_AFTER.keys())
def test_what_the_restored_database_only_lacks_is_a_warning_about_the_target(need, words):
    found = lacks(FakeServer(), need)
    (warning,) = found.warnings
    assert words in warning
    assert found.missing == []


def test_an_extension_of_another_version_is_a_warning():
    found = lacks(FakeServer(installed=[("dblink", "1.3")]), DBLINK_NEED)
    assert found.warnings == ["the extension dblink of public has version 1.3 in the target, but had 1.2 in the backup"]


def test_a_right_on_a_wrapper_is_asked_for_together_with_the_extension_that_brings_it():
    fdw = ManifestNeed.of_server(NeedKind.EXTENSION, "postgres_fdw", "1.1, not trusted, owned by o", of="public")
    found = lacks(FakeServer(available=[("postgres_fdw", False)]), fdw, WRAPPER)
    assert [run.split(" ")[0] for run in found.run] == ["CREATE", "GRANT"]


def test_a_million_needs_of_a_hostile_manifest_are_asked_about_within_bounds():
    server = FakeServer()
    found = lacks(server, *[a_need(NeedKind.ROLE, f"r{n}") for n in range(5000)])
    assert max(len(values[0]) for name, values in server.asked if name == "roles") == len(found.missing) == 300
    many = [a_need(NeedKind.DATABASE_SETTING, f"s{n}", "v" * (1500 + n)) for n in range(600)]
    warnings = lacks(FakeServer(), *many).warnings
    assert len(warnings) == 11
    assert max(map(len, warnings)) <= 300
