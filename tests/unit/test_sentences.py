"""A failure's sentence fits where it is told, and what to do is never what is left out."""

import pytest

from holdfast.api.backup import Failure
from holdfast.sentences import EVENT_BYTES, cut, explain, few


def a_failure(message: str, remedy: str) -> Failure:
    return Failure(reason="BucketNotFound", message=message, remedy=remedy)


def test_a_failure_is_told_with_what_to_do():
    assert explain(a_failure(message="the bucket is gone", remedy="create it")) == (
        "the bucket is gone. What to do: create it"
    )


@pytest.mark.parametrize("message", ["x" * 4000, "ß" * 4000, "🐘" * 4000], ids=["ascii", "two bytes", "four bytes"])
def test_of_a_long_failure_the_message_gives_way(message):
    told = explain(a_failure(message=message, remedy="read the log"), EVENT_BYTES)

    assert EVENT_BYTES - 4 < len(told.encode()) <= EVENT_BYTES
    assert told.startswith(message[:200])
    assert told.endswith("…. What to do: read the log")


def test_a_remedy_that_is_longer_than_the_room_is_cut_too():
    told = explain(a_failure(message="short", remedy="x" * 4000), 100)

    assert len(told.encode()) <= 100
    assert "What to do: xxx" in told


@pytest.mark.parametrize(("text", "most", "left"), [("abc", 3, "abc"), ("abcd", 3, "…"), ("ääää", 7, "ää…")])
def test_a_sentence_is_cut_between_characters(text, most, left):
    assert cut(text, most) == left


@pytest.mark.parametrize(
    ("names", "said"),
    [
        pytest.param([], "", id="none"),
        pytest.param(["a", "b"], "a, b", id="as many as are named"),
        pytest.param(["a", "b", "c"], "a, b and 1 more", id="more"),
    ],
)
def test_the_first_few_are_named_and_the_rest_is_counted(names, said):
    assert few(names, 2) == said
    assert few(names, 2, "; ") == said.replace(", ", "; ")
