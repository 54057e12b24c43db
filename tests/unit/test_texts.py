"""Text that others wrote: one line, in which every character is seen; in the log, JSON that says the same."""

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import texts
from holdfast.errors import HoldfastError, Reason
from holdfast.process.log import _seen
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.text import one_line

HOSTILE = {
    "a line break": ("no\nerror", "no error"),
    "a carriage return": ("failed\rSucceeded", "failed Succeeded"),
    "a separator": ("a\u2028b\u2029c\x85d", "a b c d"),
    "an escape sequence": ("\x1b[2J\x1b]0;x\x07", "\\u001b[2J\\u001b]0;x\\u0007"),
    "one of C1": ("\x9b2J", "\\u009b2J"),
    "an override of direction": ("gpj.\u202eexe", "gpj.\\u202eexe"),
    "an isolate": ("\u2066x\u2069", "\\u2066x\\u2069"),
    "what is not seen": ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
    "a tag": ("x\U000e0041", "x\\udb40\\udc41"),
    "half of a character": ("\ud83d!", "\\ud83d!"),
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.values(), ids=HOSTILE)
def test_what_moves_a_cursor_or_deceives_a_reader_stands_there_as_its_number(text, shown):
    assert texts.plain(text) == shown
    assert texts.is_plain(shown)
    assert not texts.is_plain(text)


@pytest.mark.parametrize("text", ["größe 数据 🦊", 'it\'s "quoted" \\ $x `id`', "a  b", "\u0645\u06cc\u200c\u062e", ""])
def test_what_people_write_stays_as_it_is(text):
    assert texts.plain(text) == text


@given(st.text(st.characters()))
def test_no_text_has_a_control_character_or_a_line_break_afterwards(text):
    shown = texts.plain(text)
    assert texts.is_plain(shown)
    assert len((shown + "x").splitlines()) == 1
    assert not [each for each in shown if unicodedata.category(each) in ("Cc", "Zl", "Zp", "Cs")]
    assert not [each for each in shown if unicodedata.bidirectional(each) in ("RLE", "LRE", "RLO", "LRO", "PDF", "RLI",
                                                                              "LRI", "FSI", "PDI")]  # fmt: skip
    assert texts.plain(shown) == shown


Json = st.recursive(st.none() | st.integers() | st.text(st.characters()), lambda inner: st.lists(inner) |
                    st.dictionaries(st.text(st.characters()), inner), max_leaves=8)  # fmt: skip


@given(Json)
def test_a_document_is_clean_in_every_place(document):
    assert texts.is_plain(json.dumps(texts.cleaned(document), ensure_ascii=False))


@given(st.text(st.characters(), max_size=300))
def test_an_answer_is_shown_in_quotes_and_cut(text):
    shown = texts.quoted(text, 40)
    assert texts.is_plain(shown)
    assert len(shown) <= 42


@given(st.text(st.characters()), st.text(st.characters()))
def test_no_error_tells_anything_else(message, remedy):
    error = HoldfastError(Reason.DUMP_FAILED, message, remedy)
    assert texts.is_plain(error.message + error.remedy + str(error))


@given(st.text(st.characters()), st.integers(3, 80))
def test_a_tools_words_are_one_line_of_so_many_characters(text, limit):
    line = one_line(text, limit)
    assert texts.is_plain(line)
    assert len(line) <= limit


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_line_of_the_log_is_json_that_says_what_was_said_and_a_terminal_only_shows_it(text):
    stream = io.StringIO()
    Log(stream, name=text).line("x", message=text, list=[text])
    written = stream.getvalue()
    assert texts.is_plain(written.removesuffix("\n"))
    told = json.loads(written)
    assert (told["name"], told["message"], told["list"]) == (text, text, [text])


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_a_document_of_several_lines_keeps_its_lines_and_its_meaning(text):
    document = json.dumps({"name": text}, indent=2, ensure_ascii=False)
    shown = texts.lines(document)
    assert json.loads(shown) == {"name": text}
    assert len(shown.split("\n")) == 3
    assert all(map(texts.is_plain, shown.split("\n")))


def test_the_operators_log_on_a_terminal_has_no_cursor_moved_by_others():
    said = _seen(None, "info", {"event": "Kubernetes says", "message": "a\x1b[2J\nb\u202e", "count": 2})
    assert said == {"event": "Kubernetes says", "message": "a\\u001b[2J b\\u202e", "count": 2}
