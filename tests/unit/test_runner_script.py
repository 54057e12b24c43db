r"""Reading a plain dump as it passes: rows and schema come out right for any content, however it is cut into chunks.

The scripts are made of pieces whose rows are known by construction, in the form that pg_dump writes.
"""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rows import counters

from holdfast.runner.engines.postgres.script import Script

# What a lexer may stumble over: everything that means something somewhere in a script.
NASTY = st.lists(
    st.sampled_from(
        [b"'", b'"', b"$$", b"$_$", b"$a$", b"\\", b"\\.", b"\n\\.\n", b"\n", b";", b"--", b"/*", b"\\N", b"\t", b"e'",
         b"E'", b"\nCOPY public.t (i) FROM stdin;\n", b"COPY ", b"\n\\connect x\n", b"a", b"$1", b"x$y$z", b"\xc3\xa9",
         b"\nSET standard_conforming_strings = off;\n", b"\nSELECT pg_catalog.setval('s', 1);\n", b"\nBEGIN;\n"]
    ),
    max_size=12,
).map(b"".join)  # fmt: skip


def literal(text):
    """As pg_dump writes a value while standard_conforming_strings is on."""
    if b"\\" in text:
        return b" E'" + text.replace(b"\\", b"\\\\").replace(b"'", b"''") + b"'"
    return b"'" + text.replace(b"'", b"''") + b"'"


def backslashed(text):
    r"""As an E'...' string may also be written."""
    return b"E'" + text.replace(b"\\", b"\\\\").replace(b"'", b"\\'") + b"'"


def identifier(text):
    return b'"' + text.replace(b'"', b'""') + b'"'


def dollar(text):
    """As pg_dump quotes a function's body: the shortest mark that is not in it."""
    mark, suffix = b"$_", b"_XXXXXXX"
    count = 0
    while mark in text:
        mark += suffix[count % len(suffix)].to_bytes()
        count += 1
    return mark + b"$" + text + mark + b"$"


def copied(value):
    """As COPY writes a value."""
    for plain, written in ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\t", b"\\t"), (b"\r", b"\\r")):
        value = value.replace(plain, written)
    return value


SCHEMA = st.one_of(
    NASTY.map(lambda text: b"COMMENT ON TABLE public.t IS " + literal(text) + b";\n"),
    NASTY.map(lambda text: b"COMMENT ON TABLE public.t IS " + backslashed(text) + b";\n"),
    NASTY.map(
        lambda text: b"CREATE FUNCTION public.f() RETURNS void\n    LANGUAGE sql\n    AS " + dollar(text) + b";\n"
    ),
    NASTY.map(lambda text: b"CREATE TABLE public." + identifier(b"t" + text) + b" (\n    i integer\n);\n"),
    st.just(b"CREATE VIEW public.v AS\n SELECT (1 - 2) AS a$1, 'it''s' AS b;\n"),
    st.just(b"ALTER TABLE ONLY public.t ALTER COLUMN copy SET DEFAULT 7;\n"),
)
NO_SCHEMA = st.one_of(
    NASTY.map(lambda text: b"--\n-- Name: " + text.replace(b"\n", b" ") + b"; Type: TABLE; Owner: -\n--\n"),
    st.just(b"SELECT pg_catalog.setval('public.\"t;''_id_seq\"', 41, true);\n"),
    st.just(b"BEGIN;\n\nSELECT pg_catalog.lowrite(0, '\\x2d2d0a27');\n\nCOMMIT;\n"),
    st.just(b"\\restrict 8hG3kQ0pZ\n"),
    st.just(b"SET check_function_bodies = false;\n"),
    st.just(b"\n\n"),
)
ROWS = st.lists(st.lists(NASTY.map(copied), min_size=1, max_size=3).map(b"\t".join), max_size=4)
NAMES = st.one_of(st.just(b"public.t"), NASTY.map(lambda text: b"public." + identifier(b"x" + text)))
COLUMNS = st.one_of(st.just(b""), NASTY.map(lambda text: b"(i, " + identifier(b"y" + text) + b")"))
TABLES = st.tuples(NAMES, COLUMNS, ROWS)


def block(table):
    name, columns, rows = table
    return b"COPY %s %s FROM stdin;\n%s\\.\n" % (name, columns, b"".join(row + b"\n" for row in rows))


@st.composite
def scripts(draw):
    """A script, the rows of its tables, and what of it is schema."""
    text, tables, schema = b"", [], b""
    for kind in draw(st.lists(st.sampled_from(["schema", "other", "table"]), max_size=12)):
        if kind == "table":
            table = draw(TABLES)
            tables.append((table[0].decode(errors="backslashreplace"), len(table[2])))
            text += block(table)
        else:
            piece = draw(SCHEMA if kind == "schema" else NO_SCHEMA)
            text += piece
            schema += piece if kind == "schema" else b""
        text += b"\n\n"
    return text + b"--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict 8hG3kQ0pZ\n\n", tables, schema


def read(text, sizes=(1 << 20,)):
    """Feed it in chunks of these sizes, over and over, to each that counts; return what all of them say."""
    said = [_read(text, sizes, counter) for counter in counters()]
    assert said.count(said[0]) == len(said)
    return said[0]


def _read(text, sizes, counter):
    script, view, position = Script(), memoryview(text), 0
    script._counter = counter
    for size in itertools.cycle(sizes):
        if position >= len(text):
            return script.contents()
        script.feed(view[position : position + size])
        position += size
    raise AssertionError("unreachable")


def counted(text, sizes=(1 << 20,)):
    contents = read(text, sizes)
    assert contents is not None
    return [(table.name, table.rows) for table in contents.tables]


SIZES = st.lists(st.integers(1, 90), min_size=1, max_size=10)


@settings(deadline=None)
@given(made=scripts(), sizes=SIZES)
def test_every_row_of_every_table_is_counted_and_nothing_else(made, sizes):
    text, tables, _ = made
    assert counted(text, sizes) == tables


@settings(deadline=None)
@given(made=scripts(), sizes=SIZES)
def test_the_schemas_hash_is_that_of_the_schema_alone(made, sizes):
    text, _, schema = made
    assert read(text, sizes).schema_sha256 == read(schema).schema_sha256


@settings(deadline=None)
@given(one=st.lists(SCHEMA, max_size=4), other=st.lists(SCHEMA, max_size=4))
def test_schemas_that_differ_have_different_hashes(one, other):
    assert (read(b"".join(one)) == read(b"".join(other))) == (one == other)


@settings(deadline=None)
@given(sizes=SIZES)
def test_with_the_old_kind_of_strings_a_backslash_escapes_in_them(sizes):
    head = b"SET standard_conforming_strings = off;\nCOMMENT ON TABLE t IS 'a\\';\nCOPY public.t (i) FROM stdin;\n';\n"
    assert counted(head + block((b"public.t", b"(i)", [b"1", b"2"])), sizes) == [("public.t", 2)]


CASES = {
    "no row": (b"COPY public.t (i) FROM stdin;\n\\.\n", [("public.t", 0)]),
    "no column": (b"COPY public.t  FROM stdin;\n\n\n\\.\n", [("public.t", 2)]),
    "an empty value": (b"COPY public.t (i) FROM stdin;\n\n\\.\n", [("public.t", 1)]),
    "a backslash and a dot as value": (b"COPY public.t (i) FROM stdin;\n\\\\.\n\\.\n", [("public.t", 1)]),
    "one table after another": (
        b"COPY a.t (i) FROM stdin;\n1\n\\.\nCOPY b.t (i) FROM stdin;\n1\n2\n\\.\n", [("a.t", 1), ("b.t", 2)],
    ),
    "COPY within a body": (b"CREATE FUNCTION f() AS $$\nCOPY public.t (i) FROM stdin;\n1\n$$;\n", []),
    "COPY within a comment": (b"COMMENT ON TABLE t IS 'x\nCOPY public.t (i) FROM stdin;\n1\n';\n", []),
    "a name that looks like rows": (
        b'COPY public."a\n\\.\nCOPY public.t (i) FROM stdin;\n" (i) FROM stdin;\n1\n\\.\n',
        [('public."a\n\\.\nCOPY public.t (i) FROM stdin;\n"', 1)],
    ),
    "a column that looks like the end of the header, cut anywhere": (
        b'COPY public.t (";\n") FROM stdin;\n1\n\\.\n', [("public.t", 1)],
    ),
    "a quote within rows": (b"COPY public.t (i) FROM stdin;\nit's\n\"\n$$\n\\.\n", [("public.t", 3)]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "tables"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_rows_are_counted(text, tables, size):
    assert counted(text, [size]) == tables


LOST = {
    "cut within rows": b"COPY public.t (i) FROM stdin;\n1\n",
    "cut within a string": b"COMMENT ON TABLE t IS 'a",
    "a COPY of another form": b"COPY public.t (i) FROM stdin WITH (FORMAT csv);\n1\n\\.\n",
    "a COPY without an end": b"COPY public.t (" + b"i" * (2 << 20),
}


@pytest.mark.parametrize("text", LOST.values(), ids=LOST.keys())
def test_what_cannot_be_followed_is_not_counted_at_all(text):
    assert read(text) is None


def test_little_is_held_back_of_large_values():
    script = Script()
    script.feed(b"COPY public.t (i) FROM stdin;\n")
    for _ in range(64):
        script.feed(b"x" * (1 << 20))
        assert len(script._held) < 1000
    script.feed(b"\n\\.\nCOMMENT ON TABLE t IS '")
    for _ in range(64):
        script.feed(b"x" * (1 << 20))
        assert len(script._held) < 1000
    script.feed(b"';\n")
    assert [table.rows for table in script.contents().tables] == [1]
