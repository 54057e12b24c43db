r"""Reading a script of mysqldump's as it passes: rows and schema come out right for any content, however it is cut.

The scripts are made of pieces whose rows are known by construction, in the forms that mysqldump and mariadb-dump write.
"""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rows import counters

from holdfast.runner.engines.mysql.script import Script

# What a lexer may stumble over: everything that means something somewhere in a script.
NASTY = st.lists(
    st.sampled_from(
        [b"'", b'"', b"`", b"\\", b"\n", b"\r", b"\0", b"\x1a", b";", b";\n", b"),(", b"),\n(", b"(", b")", b"--",
         b"-- ", b"#", b"/*", b"*/", b"/*!50003 ", b";;", b"n", b"INSERT INTO `t` VALUES (1);\n", b"\nDELIMITER ;\n",
         b"CREATE TABLE `x` (\n", b"a", b" ", b"\xc3\xa9", b"0", b"r", b"Z", b" AUTO_INCREMENT=7", b"commit;"]
    ),
    max_size=12,
).map(b"".join)  # fmt: skip
ESCAPES = {b"\\": b"\\\\", b"\0": b"\\0", b"\n": b"\\n", b"\r": b"\\r", b"'": b"\\'", b'"': b'\\"', b"\x1a": b"\\Z"}
MODES = [b"STRICT_TRANS_TABLES", b"", b"ANSI_QUOTES", b"NO_BACKSLASH_ESCAPES", b"ANSI_QUOTES,NO_BACKSLASH_ESCAPES"]


def escaped(text):
    """As mysql_real_escape_string does it."""
    return b"'" + b"".join(ESCAPES.get(bytes([byte]), bytes([byte])) for byte in text) + b"'"


def identifier(text):
    return b"`" + text.replace(b"`", b"``") + b"`"


def comment(text):
    """As both tools write a name into a comment."""
    return b"--\n-- Dumping data for table " + text.replace(b"\n", b"\n-- ") + b"\n--\n\n"


VALUES = st.one_of(
    NASTY.map(escaped), st.sampled_from([b"NULL", b"-1", b"1.5e10", b"0xFF28272C", b"''", b"_binary 0x2927"])
)
ROWS = st.lists(st.lists(VALUES, min_size=1, max_size=3).map(b",".join), min_size=1, max_size=4)
NAMES = st.one_of(st.just(b"t"), NASTY.map(lambda text: b"x" + text))
COLUMNS = st.one_of(st.just(b""), NASTY.map(lambda text: b" (`i`, " + identifier(b"y" + text) + b")"))


@st.composite
def tables(draw):
    """A table as it is dumped: its name, how many rows, its statements, which of them are schema."""
    name, columns, rows = draw(NAMES), draw(COLUMNS), draw(st.lists(ROWS, max_size=2))
    create = b"CREATE TABLE %s (\n  `i` int DEFAULT %s\n) ENGINE=InnoDB%s DEFAULT CHARSET=utf8mb4 COMMENT=%s;\n" % (
        identifier(name), draw(NASTY.map(escaped)), draw(st.sampled_from([b"", b" AUTO_INCREMENT=41"])),
        draw(NASTY.map(escaped)),
    )  # fmt: skip
    first, between = draw(st.sampled_from([(b" ", b","), (b"\n", b",\n")]))  # MySQL's form, MariaDB's
    inserts = [
        b"INSERT INTO %s%s VALUES%s%s;\n"
        % (identifier(name), columns, first, between.join(b"(%s)" % row for row in some))
        for some in rows
    ]
    keys = b"/*!40000 ALTER TABLE %s DISABLE KEYS */;\n" % identifier(name)
    return name, sum(map(len, rows)), create, comment(name) + keys + b"".join(inserts)


@st.composite
def bodies(draw):
    """A routine, whose quotes mean what its sql_mode says, and whose body holds anything in quotes and comments."""
    mode = draw(st.sampled_from(MODES))
    plain = b"NO_BACKSLASH_ESCAPES" in mode
    quoted = NASTY.map(lambda text: b"'" + text.replace(b"'", b"''") + b"'") if plain else NASTY.map(escaped)
    double = NASTY.map(lambda text: b'"' + text.replace(b'"', b'""') + b'"')
    if not plain and b"ANSI_QUOTES" not in mode:
        double = NASTY.map(lambda text: b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"')
    remark = NASTY.map(lambda text: b"/* " + text.replace(b"*/", b"").replace(b"*", b"").replace(b"/", b"") + b" */")
    line = NASTY.map(lambda text: b"-- " + text.replace(b"\n", b"") + b"\n")
    pieces = st.one_of(quoted, double, NASTY.map(identifier), remark, line, st.just(b" - 1 -- \n"), st.just(b"5/2;\n"))
    body = b" ".join(draw(st.lists(pieces, max_size=6)))
    return (
        b"/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;\n"
        b"/*!50003 SET sql_mode              = '%s' */ ;\nDELIMITER ;;\n"
        b"CREATE DEFINER=`x`@`%%` PROCEDURE `p`()\nbegin\ninsert into t values (1);\n%s\nend ;;\nDELIMITER ;\n"
        b"/*!50003 SET sql_mode              = @saved_sql_mode */ ;\n" % (mode, body)
    )


VIEW = (
    b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`x`@`%` SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS "
)
SCHEMA = st.one_of(
    bodies(), NASTY.map(lambda text: VIEW + b"select _utf8mb4" + escaped(text) + b" AS " + identifier(text) + b" */;\n")
)
HEAD = (
    b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19-11.8.6-MariaDB\n--\n-- Host: db\n\n"
    b"/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n/*!50503 SET NAMES utf8mb4 */;\n"
    b"/*M!100616 SET @OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY, NOTE_VERBOSITY=0 */;\n"
)
TAIL = b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n\n-- Dump completed on 2026-11-22  8:45:00\n"


@st.composite
def scripts(draw):
    """A script, the rows of its tables, and what of it is schema."""
    text, counts, schema = HEAD, {}, b""
    for kind in draw(st.lists(st.sampled_from(["schema", "table"]), max_size=8)):
        if kind == "table":
            name, rows, create, data = draw(tables())
            shown = name.decode(errors="backslashreplace")
            counts[shown] = counts.get(shown, 0) + rows
            text, schema = text + create + data, schema + create.replace(b" AUTO_INCREMENT=41 DEFAULT", b" DEFAULT")
        else:
            piece = draw(SCHEMA)
            text, schema = text + piece, schema + piece
        text += b"\n"
    return text + TAIL, counts, schema


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
    return {table.name: table.rows for table in contents.tables}


SIZES = st.lists(st.integers(1, 90), min_size=1, max_size=10)


@settings(deadline=None)
@given(made=scripts(), sizes=SIZES)
def test_every_row_of_every_table_is_counted_and_nothing_else(made, sizes):
    text, counts, _ = made
    assert counted(text, sizes) == counts


@settings(deadline=None)
@given(made=scripts(), sizes=SIZES)
def test_the_schemas_hash_is_that_of_the_schema_alone(made, sizes):
    text, _, schema = made
    assert read(text, sizes).schema_sha256 == read(schema).schema_sha256


@settings(deadline=None)
@given(one=st.lists(SCHEMA, max_size=4), other=st.lists(SCHEMA, max_size=4))
def test_schemas_that_differ_have_different_hashes(one, other):
    assert (read(b"".join(one)) == read(b"".join(other))) == (one == other)


COLUMN = b"CREATE TABLE `t` (\n  `a``b` %s%s COLLATE utf8mb4_bin DEFAULT NULL COMMENT '%s'\n);\n"


@pytest.mark.parametrize("kind", [b"varchar(50)", b"text", b"enum('in','it''s (x)')"])
def test_a_character_set_beside_its_collation_changes_no_hash_since_a_restore_adds_it(kind):
    said, unsaid = COLUMN % (kind, b" CHARACTER SET utf8mb4", b"x"), COLUMN % (kind, b"", b"x")
    assert read(said) == read(unsaid)


def test_words_like_those_in_a_comment_change_it():
    said, unsaid = COLUMN % (b"text", b"", b" CHARACTER SET x COLLATE x"), COLUMN % (b"text", b"", b" COLLATE x")
    assert read(said) != read(unsaid)


def test_the_name_of_the_database_changes_no_hash():
    say = b"ALTER DATABASE `%s` CHARACTER SET %s COLLATE latin1_bin ;\n"
    assert read(say % (b"a", b"latin1")) == read(say % (b"b``c", b"latin1"))
    assert read(say % (b"a", b"latin1")) != read(say % (b"a", b"latin2"))


def test_a_delimiter_is_text_and_no_pattern():
    read(b"DELIMITER ;|(\nSET @a = 1;|(\n")


TRIGGER = (
    b"DELIMITER ;;\n/*!50003 CREATE*/ /*!50017 DEFINER=`x`@`%`*/ /*!50003 TRIGGER `r` BEFORE INSERT ON `t` FOR EACH "
    b"ROW BEGIN\nINSERT INTO `t` VALUES (1),(2);\n-- it's\nEND */;;\nDELIMITER ;\n"
)
PROCEDURE = (
    b"DELIMITER ;;\nCREATE PROCEDURE p() BEGIN\n/*\n ;;\nDELIMITER ;\nINSERT INTO `t` VALUES (1);\n*/\nEND ;;\n"
    b"DELIMITER ;\n"
)
CASES = {
    "a table without rows": (b"CREATE TABLE `t` (\n  `i` int\n);\n", {"t": 0}),
    "rows of two INSERTs": (b"INSERT INTO `t` VALUES (1),(2);\nINSERT INTO `t` VALUES (3);\n", {"t": 3}),
    "parentheses within strings": (rb"INSERT INTO `t` VALUES ('a),(b','('),(')','),(');" + b"\n", {"t": 2}),
    "an escaped quote": (rb"INSERT INTO `t` VALUES ('it\'s),(\\'),('\\\'),(');" + b"\n", {"t": 2}),
    "a letter that follows a backslash, before the end": (rb"INSERT INTO `t` VALUES ('\n'),('\\n'),('\r');" + b"\n",
                                                          {"t": 3}),
    "empty strings": (b"INSERT INTO `t` VALUES ('','','('),('','');\n", {"t": 2}),
    "a semicolon at the end of a string": (b"INSERT INTO `t` VALUES (';\\n'),(';');\n", {"t": 2}),
    "each row on its own line": (b"INSERT INTO `t` VALUES\n(1,'a'),\n(2,'b');\n", {"t": 2}),
    "parentheses at the ends of strings, each row on its own line": (
        rb"INSERT INTO `t` VALUES" + b"\n(');\\n','),\\n('),\n(');\\n','(');\n", {"t": 2}),
    "long rows, each on its own line": (
        b"INSERT INTO `t` VALUES\n" + b",\n".join([b"('%s')" % (b"x" * 200)] * 3) + b";\n", {"t": 3}),
    "columns are named": (b"INSERT INTO `t` (`a`, `b(`, `c``)`) VALUES (1,2,3),(4,5,6);\n", {"t": 2}),
    "columns of a history": (b"INSERT INTO `t` (`a`, row_start) VALUES (1,'2'),\n(4,'5');\n", {"t": 2}),
    "a name with everything": (b"INSERT INTO `a``b' VALUES (\n` VALUES (1);\n", {"a`b' VALUES (\n": 1}),
    "an INSERT within a body": (
        TRIGGER + b"INSERT INTO `t` VALUES (1);\n",
        {"t": 1},
    ),
    "a delimiter within a comment of a body": (
        PROCEDURE,
        {},
    ),
    "a column that looks like the end of the columns, cut anywhere": (
        b"INSERT INTO `t` (`) VALUES (`) VALUES (1),(2);\n", {"t": 2},
    ),
    "a comment that is not whole when it comes": (b"CREATE VIEW v AS select 1 -- it's;\n;\n", {}),
}  # fmt: skip


@pytest.mark.parametrize(("text", "tables"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_rows_are_counted(text, tables, size):
    assert counted(text, [size]) == tables


@pytest.mark.parametrize(
    "statement",
    [
        b"SET autocommit=0;",
        b"set autocommit=0;",
        b"COMMIT;",
        b"SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0;",
        b"SET AUTOCOMMIT=@OLD_AUTOCOMMIT;",
        b"UNLOCK TABLES;",
        b"DO SETVAL(`s`, 101, 0);",
        b"/*!40000 ALTER TABLE `t` ENABLE KEYS */;",
    ],
)
def test_what_is_said_around_rows_is_no_schema(statement):
    table = b"CREATE TABLE `t` (\n  `i` int\n);\n"
    assert read(table + statement + b"\n") == read(table)


LOST = {
    "cut within rows": b"INSERT INTO `t` VALUES (1),(2",
    "cut within a string of a row": b"INSERT INTO `t` VALUES ('a;\n",
    "cut within a statement": b"CREATE TABLE `t` (\n",
    "cut within rows, each on its own line": b"INSERT INTO `t` VALUES\n(1),\n(2;\n",
    "an INSERT of nothing": b"INSERT INTO `t` VALUES\n;\n",
    "rows in another form": b"INSERT INTO `t` SET i = 1;\n",
    "rows that replace others": b"REPLACE INTO `t` VALUES (1);\n",
    "a statement without an end": b"CREATE TABLE `t` (" + b"i" * (20 << 20),
}


@pytest.mark.parametrize("text", LOST.values(), ids=LOST.keys())
def test_what_cannot_be_followed_is_not_counted_at_all(text):
    assert read(text) is None


def test_little_is_held_back_of_large_values():
    script = Script()
    script.feed(b"INSERT INTO `t` VALUES ('")
    for _ in range(64):
        script.feed(b"x" * (1 << 20))
        assert len(script._held) < 1000
    script.feed(b"');\n")
    assert [table.rows for table in script.contents().tables] == [1]
