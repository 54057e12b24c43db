"""How what others wrote is read: of the type and size that are asked for, whatever stands there."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from tests.fuzz import Json

from holdfast import untrusted
from holdfast.untrusted import Unreadable

IN_SHORT = datetime(2026, 11, 22, 8, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T08:45:00Z", IN_SHORT),
        ("2026-11-22T09:45:00+01:00", IN_SHORT),
        ("0000-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("2026-11-22T08:45:00", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-11-22T08:45:00Z" + "0" * 1_000_000, None),
        ("", None),
        (None, None),
        (1795338000, None),
        (["2026-11-22T08:45:00Z"], None),
    ],
    ids=[
        "UTC", "another zone", "the year 0", "before the year 1 in UTC", "after 9999 in UTC", "without a zone",
        "month 13", "a megabyte", "nothing", "null", "a number", "a list",
    ],
)  # fmt: skip
def test_a_time_is_a_time_or_none(text: object, moment: datetime | None) -> None:
    assert untrusted.moment(text) == moment


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5), (0, 0), (-1, 0), (1 << 63, 0), (10**400, 0), (1.5, 0), (True, 0), ("5", 0), (None, 0), ([5], 0)],
    ids=["5", "0", "below zero", "too big", "astronomic", "a fraction", "true", "a text", "null", "a list"],
)
def test_a_number_is_a_number_that_can_be_or_zero(value: object, number: int) -> None:
    assert untrusted.number(value) == number


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("no quota left", "no quota left"),
        ("Größe \U0001f600", "Größe \U0001f600"),
        ("one\r\ntwo\tthree", "one  two three"),
        ("\x1b[2J\x9b\x00", " [2J  "),
        ("a\u202eb\u2066c\u200bd\ufeffe\ud800", "a b c d e "),
        ("x" * 21, "x" * 19 + "…"),
        (None, ""),
        (["text"], ""),
    ],
    ids=["plain", "of any language", "lines", "for a terminal", "invisible", "long", "null", "a list"],
)
def test_what_a_person_is_told_is_one_short_line(value: object, sentence: str) -> None:
    assert untrusted.sentence(value, 20) == sentence


@given(Json)
def test_any_value_is_read_as_whatever_is_asked_for(value: object) -> None:
    assert isinstance(untrusted.word(value), str)
    assert dict(untrusted.mapping(value)) is not None
    assert all(hasattr(each, "get") for each in untrusted.mappings(value))


def test_lists_and_words_have_an_end() -> None:
    assert len(untrusted.mappings([{}] * 1_000_000)) == untrusted.MAX_ITEMS
    assert untrusted.word("x" * 254) == ""
    assert untrusted.word("half of a character: \ud800") == ""


@pytest.mark.parametrize("value", [None, "", 5, ["a"], "x" * 254], ids=str)
def test_an_object_without_a_name_is_none(value: object) -> None:
    with pytest.raises(Unreadable, match=r"metadata.uid"):
        untrusted.needed({"uid": value}, "uid")
