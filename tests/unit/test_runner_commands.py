r"""What psql gets of a plain script is its SQL and its rows: `\!` and the like are refused, however they are hidden."""

import itertools

import pytest
from hypothesis import given, settings
from tests.unit.test_runner_script import SIZES, scripts

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres import restore
from holdfast.runner.engines.postgres.commands import Commands, without_commands


def passed(text, sizes=(1 << 20,)):
    """What comes out when it goes in in chunks of these sizes, over and over."""

    def chunks():
        at = 0
        for size in itertools.cycle(sizes):
            if at >= len(text):
                return
            yield text[at : at + size]
            at += size

    return b"".join(without_commands(chunks()))


def bare(text):
    """As pg_dump wrote it, without the two lines of its own key, which the pieces above put nowhere else."""
    return text.replace(b"\\restrict 8hG3kQ0pZ\n", b"\n").replace(b"\\unrestrict 8hG3kQ0pZ\n", b"\n")


@settings(deadline=None)
@given(made=scripts(), sizes=SIZES)
def test_every_dump_passes_as_it_is_but_for_its_own_two_commands(made, sizes):
    assert passed(made[0], sizes) == bare(made[0])


HEAD = b"--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET statement_timeout = 0;\n"
COPY = b"COPY public.t (i) FROM stdin;\n1\n\\! id\n\\.\n"
CASES = {
    "a shell": (b"\\! id\n", r"\\! id"),
    "a file": (b"\\i /etc/passwd\n", r"\\i /etc/passwd"),
    "a server": (b"\\connect host=evil\n", r"\\connect host=evil"),
    "a copy of the client's": (b"\\copy t from program 'id'\n", r"\\copy t from"),
    "in the middle of a line": (b"SELECT 1 \\! id\n", r"\\! id"),
    "after a statement": (b"SELECT 1; \\! id\n", r"\\! id"),
    "within a statement that is no schema": (b"SET a = 1 \\! id\n;\n", r"\\! id"),
    "on a line of such a statement": (b"SELECT pg_catalog.x(\n\\! id\n);\n", r"\\! id"),
    "after rows": (COPY + b"\\! id\n", r"\\! id"),
    "at the very end, without a line break": (b"\\!id", r"\\!id"),
    "after a string": (b"SELECT 'a' \\gexec\n", r"\\gexec"),
    "after a string with an escape": (b"SELECT E'\\'' \\gexec\n", r"\\gexec"),
    "after a body": (b"CREATE FUNCTION f() AS $$ ' $$;\\! id\n", r"\\! id"),
    "after an identifier": (b'CREATE TABLE "a\'b" (); \\! id\n', r"\\! id"),
    "a backslash alone": (b"\\\n", r"the command '\\\\'"),
    "unrestrict with more behind it": (b"\\unrestrict abc \\! id\n", r"\\! id"),
    "unrestrict of two keys": (b"\\unrestrict `id`\n", r"unrestrict `id`"),
    "restrict in the middle of a line": (b"SELECT 1 \\restrict abc\n", r"restrict abc"),
    "a line without end": (b"\\!" + b"x" * 5000, r"\\!xxx"),
    "a comment that psql reads otherwise": (b"/* ' */ \\! id /* ' */\n", "comment in the form"),
    "a program on the server": (b"COPY public.t FROM PROGRAM 'id';\n", "COPY that does not read rows"),
    "a program on the server, with a column": (b"COPY public.t (i) TO PROGRAM 'id';\n", "COPY that does not read rows"),
    "with the old kind of strings": (
        b"SET standard_conforming_strings = off;\nSELECT '\\'' \\! id\n", r"\\! id",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("size", [1, 3, 64, 1 << 20])
def test_a_command_of_psqls_is_refused_by_its_name_and_line(text, says, size):
    with pytest.raises(HoldfastError, match=says) as caught:
        passed(HEAD + text, [size])
    assert caught.value.reason is Reason.RESTORE_FAILED
    before = (HEAD + text).split(text.split(b"\n")[0])[0].count(b"\n")
    assert int(caught.value.message.split("line ")[1].split()[0]) > before
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_nothing_after_a_command_and_nothing_of_it_is_passed_on(size):
    text = HEAD + b"SELECT 1;\n\\! id\nSELECT 2;\n" + b"x" * 200
    commands, said = Commands(), bytearray()

    def all_of_it():
        for at in range(0, len(text), size):
            said.extend(commands.pass_on(text[at : at + size]))

    with pytest.raises(HoldfastError):
        all_of_it()
    assert b"!" not in said
    assert b"SELECT 2" not in said


KEPT = {
    "rows that look like one": COPY,
    "a string that looks like one": b"COMMENT ON TABLE t IS 'x\n\\! id\n';\n",
    "a body that looks like one": b"CREATE FUNCTION f() AS $_$\n\\! id\n/* ' */ COPY x FROM PROGRAM 'id';\n$_$;\n",
    "a name that looks like one": b'CREATE TABLE "x\n\\! id\n" ();\n',
    "a comment that looks like one": b"-- \\! id /* \n",
    "a string that ends in a backslash": b"COMMENT ON TABLE t IS 'C:\\';\nSELECT 1;\n",
}


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT.keys())
@pytest.mark.parametrize("size", [1, 64, 1 << 20])
def test_what_only_looks_like_a_command_is_kept(text, size):
    assert passed(HEAD + text, [size]) == HEAD.replace(b"\\restrict abc", b"") + text


def test_little_is_held_back():
    commands = Commands()
    commands.pass_on(b"COPY public.t (i) FROM stdin;\n")
    for _ in range(20):
        commands.pass_on(b"x" * (1 << 20))
        assert len(commands._waiting) < 1000


def test_psql_is_kept_from_every_command_by_a_key_that_is_new_each_time():
    assert restore.restricted() != restore.restricted()
    assert restore.restricted().startswith(b"\\restrict ")
    assert len(restore.restricted()) > 64


def test_a_script_is_restored_in_one_transaction_stops_at_the_first_error_and_reads_nobodys_settings():
    assert {"--single-transaction", "--set=ON_ERROR_STOP=1", "--no-psqlrc"} <= set(restore.PSQL)
