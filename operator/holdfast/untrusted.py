"""How what others wrote is read: whatever stands there, the answer has the type and the size that are asked for.

Anyone who may write an object that the operator reads may put anything into it, and what cannot be read must stop
nobody else. So these functions never raise but for what an object cannot be without: its names. What is too long is
cut before anything else is done with it, so that time and memory are bounded, too.
"""

import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from holdfast import clock

MAX_NAME = 253  # characters of a name in Kubernetes; uids, versions and values of labels are shorter
MAX_ITEMS = 64  # of a list: conditions, owners, containers
_MAX_TIME = 64  # characters
_MAX_NUMBER = 1 << 63
# What moves the cursor, turns the direction of writing or is no character at all. A tab or a line break reads as a
# space: what a person is told is one line.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

_HALF = re.compile("[\ud800-\udfff]")


class Unreadable(ValueError):  # noqa: N818 - a state of an object, not a fault of ours
    """An object without what every object has."""


def mapping(value: object) -> Mapping[str, Any]:
    """Return the object; an empty one where it is something else."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: object, most: int = MAX_ITEMS) -> Sequence[Mapping[str, Any]]:
    """Return the objects among the first so many items of the list; none where it is something else."""
    return [item for item in value[:most] if isinstance(item, Mapping)] if isinstance(value, list) else []


def word(value: object, most: int = MAX_NAME) -> str:
    """Return a text that is compared, as it is; empty where it is something else or longer than allowed.

    Half of a character cannot be written anywhere, a metric's label included: a text with one is something else.
    """
    return value if isinstance(value, str) and len(value) <= most and not _HALF.search(value) else ""


def words(value: object, most: int = MAX_ITEMS) -> Sequence[str]:
    """Return the texts among the first so many items of the list, each as `word` reads it."""
    return [found for item in value[:most] if (found := word(item))] if isinstance(value, list) else []


def sentence(value: object, most: int) -> str:
    """Return a text that a person will be told: cut, in one line, without control characters."""
    if not isinstance(value, str):
        return ""
    return _CONTROL.sub(" ", value if len(value) <= most else value[: most - 1] + "…")


def number(value: object) -> int:
    """Return the whole number, not below zero; zero where it is something else."""
    return value if type(value) is int and 0 <= value < _MAX_NUMBER else 0


def moment(value: object) -> datetime | None:
    """Return the time; None where it is something else, or a time that cannot be: the year 0, month 13."""
    try:
        return clock.from_text(value) if isinstance(value, str) and len(value) <= _MAX_TIME else None
    except ValueError:
        return None


def needed(meta: Mapping[str, Any], field: str) -> str:
    """Return a field of an object's metadata that every object has. Raises Unreadable."""
    found = word(meta.get(field))
    if not found:
        raise Unreadable(f"metadata.{field} is missing, or no name")
    return found


def fingerprint(value: object) -> str:
    """Return a short text that is the same for equal values, however big these are: equals are one object in memory."""
    text = json.dumps(value, sort_keys=True)
    return sys.intern(hashlib.blake2b(text.encode(), digest_size=16).hexdigest())
