"""PostgreSQL's needs: statements quoted by its rules, entries left out of an archive, bodies read for bare names."""

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
    assert 'make it anew, with its OWNER: CREATE DATABASE "it" ENCODING; then restore again' in caught.value.remedy
    assert "EXTENSION" not in caught.value.remedy


REMEDIES = {
    'ERROR:  permission denied to create extension "dblink"': "make the extension",
    "ERROR:  permission denied for schema public": "owns the target",
    "ERROR:  must be owner of extension dblink": "owns the target",
    'ERROR:  role "reader" does not exist': "CREATE ROLE",
    'ERROR:  relation "rates" does not exist': "search_path",
    'ERROR:  function valid(text) does not exist': "search_path",
    'ERROR:  schema "app" already exists': "new, empty database",
    'ERROR:  invalid byte sequence for encoding "UTF8": 0xe9': "encoding",
    "FATAL:  terminating connection due to administrator command": "restore again",
}  # fmt: skip


@pytest.mark.parametrize(("said", "words"), REMEDIES.items(), ids=REMEDIES.keys())
def test_the_remedy_of_a_restore_speaks_of_restores(said, words):
    remedy = remedy_for(said, Reason.RESTORE_FAILED)
    assert words in remedy
    assert "pg_read_all_data" not in remedy
    assert "create another backup" not in remedy


def test_the_remedy_of_a_dump_speaks_of_dumps():
    assert "pg_read_all_data" in remedy_for("permission denied for table t", Reason.DUMP_FAILED)
