"""Sentences that a person is told, and how they are made to fit where they are told."""

from collections.abc import Sequence
from typing import Protocol

EVENT_BYTES = 1024
"""What an Event's message may have; the API server refuses longer ones."""


class Explained(Protocol):
    """What went wrong, in words: an error, or what a status or a report keeps of one."""

    @property
    def message(self) -> str:
        """What happened, and why."""

    @property
    def remedy(self) -> str:
        """What to do about it."""


def explain(what: Explained, most: int = 4096) -> str:
    """Say what happened and what to do, in at most `most` bytes of UTF-8: the message gives way, not the remedy."""
    remedy = f". What to do: {what.remedy}"
    message = what.message.removesuffix(".")  # a server's own words may end with one
    return cut(cut(message, max(0, most - len(remedy.encode()))) + remedy, most)


def for_restores(remedy: str, instead: str) -> str:
    """Return a remedy that dumps and restores share in the words of a restore, which publishes nothing."""
    return remedy.replace("create another backup", instead).removesuffix("; nothing was published")


def few(names: Sequence[str], most: int, between: str = ", ") -> str:
    """Name the first `most` of them, and say how many more there are."""
    return between.join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def shorten(text: str, limit: int) -> str:
    """Cut a sentence to at most `limit` characters and say so with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def cut(text: str, most: int) -> str:
    """Cut a sentence to at most `most` bytes (3 or more) of UTF-8, between characters, and say so with an ellipsis."""
    data = text.encode()
    return text if len(data) <= most else data[: max(0, most - 3)].decode(errors="ignore") + "…"
