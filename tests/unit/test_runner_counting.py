r"""Rows are counted alike in Python and in C, whatever passes, wherever it is cut, and only what is there is read."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests import rows as native
from tests.budget import examples

from holdfast.runner.engines import counting
from holdfast.runner.engines.counting import InC, InPython

PYTHON = InPython()
IN_C = [InC(native.library())] if native.library() else []
needs_a_compiler = pytest.mark.skipif(not IN_C, reason="there is no C compiler here")
# Long enough for several blocks of 64, of what means something and what does not.
MEANING = [b"\n", b"\\", b".", b"(", b")", b";", b"'", b"\n\\.\n", b"\n\\.", b");\n", b";\n", b"\n(", b"''", b"x"]
BYTES = st.lists(
    st.one_of(
        st.lists(st.sampled_from(MEANING), max_size=60).map(b"".join),
        st.integers(0, 130).map(lambda length: b"x" * length),
        st.integers(1, 130).map(lambda length: b"\\" * length),
        st.integers(1, 70).map(lambda length: b"'(" * length),
    ),
    max_size=8,
).map(b"".join)


@needs_a_compiler
@settings(deadline=None, max_examples=examples(150, 3))
@given(data=BYTES, place=st.floats(0, 1))
@example(data=b"\n\\.\n", place=0)
@example(data=b"x" * 63 + b"\n\\.\n", place=0)
@example(data=b"\n" * 200 + b"\\.\n", place=0)
@example(data=b"\n1\n\\.\n\n\n" + b"x" * 100, place=0)
@example(data=b"\n1\n\\.x\n\n" + b"x" * 100, place=0)
def test_lines_of_a_copy_are_counted_alike(data, place):
    at = int(len(data) * place)
    assert IN_C[0].copied(data, at) == PYTHON.copied(data, at)


@needs_a_compiler
@settings(deadline=None, max_examples=examples(150, 3))
@given(data=BYTES, place=st.floats(0, 1))
@example(data=b"x" * 62 + b");\n", place=0)
@example(data=b"\n(" * 100, place=0)
@example(data=b"\n(1);\n(" + b"x" * 100, place=0)
@example(data=b"\n(1;\n(" + b"x" * 100, place=0)
@example(data=b"x" * 100 + b"\n(1);\n(", place=0)
def test_lines_of_an_insert_are_counted_alike(data, place):
    at = int(len(data) * place)
    assert IN_C[0].lines(data, at) == PYTHON.lines(data, at)


def as_a_person_would(text, within):
    """Count what opens a row, byte by byte; return it, whether a string is open, and what is left over."""
    found, position = 0, 0
    while position < len(text):
        if text[position : position + 1] == b"\\":
            if position + 1 == len(text):
                return found, within, 1
            position += 2
            continue
        if text[position : position + 1] == b"'":
            within = not within
        found += text[position : position + 1] == b"(" and not within
        position += 1
    return found, within, 0


@needs_a_compiler
@settings(deadline=None, max_examples=examples(200, 5))
@given(data=BYTES, start=st.floats(0, 1), stop=st.floats(0, 1), within=st.booleans())
@example(data=b"\\" * 63 + b"'(", start=0, stop=1, within=True)
@example(data=b"\\" * 64 + b"'(", start=0, stop=1, within=True)
@example(data=b"\\" * 65 + b"'(", start=0, stop=1, within=True)
@example(data=b"\\(" * 64, start=0, stop=1, within=False)
@example(data=b"x" * 63 + b"\\" + b"'" * 64 + b"(", start=0, stop=1, within=False)
@example(data=b"'" + b"(" * 126 + b"'(", start=0, stop=1, within=False)
def test_rows_of_one_line_are_counted_outside_of_strings(data, start, stop, within):
    at, end = sorted((int(len(data) * start), int(len(data) * stop)))
    found, open_, left = as_a_person_would(data[at:end], within)
    assert IN_C[0].texts(data, at, end, int(within)) == (end - left, found, int(open_))


# What a dump tool writes: a backslash only before what it escapes, and only within strings.
STRING = st.lists(
    st.one_of(
        st.sampled_from([b"\\\\", b"\\'", b"\\n", b"\\0", b'\\"', b"\\Z", b"\\r", b"(", b")", b"),("]),
        st.integers(0, 100).map(lambda length: b"x" * length),
        st.integers(0, 60).map(lambda length: b"\\\\" * length),
    ),
    max_size=8,
).map(lambda parts: b"'" + b"".join(parts) + b"'")
VALUES = st.lists(st.one_of(STRING, st.sampled_from([b"1", b"NULL", b"0xFF", b"''"])), min_size=1, max_size=4)


@settings(deadline=None, max_examples=examples(100, 3))
@given(made=st.lists(VALUES, min_size=1, max_size=6), cuts=st.lists(st.integers(1, 200), min_size=1, max_size=5))
def test_of_what_a_tool_writes_each_row_is_counted_once_however_it_is_cut(made, cuts):
    text = b",".join(b"(" + b",".join(row) + b")" for row in made)
    for counter in native.counters():
        at, within, count, step = 0, 0, 0, 0
        while at < len(text):
            end = min(len(text), at + cuts[step % len(cuts)] + 1)  # one more than may be left over
            at, some, within = counter.texts(text, at, end, within)
            count, step = count + some, step + 1
        assert (count, within) == (len(made), 0)


def test_without_the_library_python_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(counting, "LIBRARY", tmp_path / "none.so")
    assert isinstance(counting.counter(), InPython)


@needs_a_compiler
def test_with_the_library_c_counts(monkeypatch):
    monkeypatch.setattr(counting, "LIBRARY", native.library())
    assert isinstance(counting.counter(), InC)


def test_the_image_compiles_what_these_tests_compile():
    text = (native.SOURCE.parents[4] / "images/runner/Dockerfile").read_text()
    asked = re.search(r"^RUN gcc (.+) rows\.c -o /holdfast-rows\.so$", text, re.MULTILINE)
    assert asked, "the stage `native` compiles rows.c"
    assert tuple(asked[1].split()) == native.COMPILED
