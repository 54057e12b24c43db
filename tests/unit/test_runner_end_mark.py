"""The end of a plain dump: seen when it is the last thing in the stream, however the stream was cut into chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.runner.engines.postgres.end_mark import EndMark
from holdfast.runner.engines.tail import TAIL

MARK = b"--\n-- PostgreSQL database dump complete\n--\n\n"
UNRESTRICT = b"\\unrestrict 8hG3kQ0pZ\n\n"
BODY = b"COPY public.t (i) FROM stdin;\n1\n2\n\\.\n\n"

WHOLE = {"as it was": BODY + MARK, "with unrestrict": BODY + MARK + UNRESTRICT, "nothing but the mark": MARK}
CUT = {
    "nothing": b"",
    "cut before it": BODY,
    "cut within it": (BODY + MARK)[: -len(MARK) + 20],
    "data after it": MARK + BODY,
    "the words within a row": BODY + b"7\tPostgreSQL database dump complete\n",
    "a statement after it": MARK + b"DROP TABLE t;\n",
    "the words after something else": b"select 1; -- PostgreSQL database dump complete\n",
    "the mark long before the end": MARK + b"x" * (2 * TAIL),
}


def seen(text, sizes):
    mark, view = EndMark(), memoryview(text)
    position = 0
    for size in sizes:
        mark.feed(view[position : position + size])
        position += size
    mark.feed(view[position:])
    return mark.seen


@given(sizes=st.lists(st.integers(0, 60), max_size=10), padding=st.integers(0, 3 * TAIL))
@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE.keys())
def test_a_whole_dump_is_seen_to_be_whole_in_any_chunks(text, sizes, padding):
    assert seen(b"-- x\n" * (padding // 5) + text, [padding - padding % 5, *sizes])


@given(sizes=st.lists(st.integers(0, 60), max_size=10))
@pytest.mark.parametrize("text", CUT.values(), ids=CUT.keys())
def test_anything_else_is_not(text, sizes):
    assert not seen(text, sizes)
