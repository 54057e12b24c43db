"""Sizes and durations, as machines hold them and as people read them. Whatever comes in, the work is bounded."""

import math
import re
from datetime import timedelta
from fractions import Fraction

MAX_SIZE = 2**63 - 1  # bytes; Kubernetes, too, takes a larger quantity for this one
_MAX_TEXT = 64  # characters of a quantity, as many as the resources allow
_MAX_EXPONENT = 64  # beyond it, a number of so few characters is larger than MAX_SIZE, or less than one
_MAX_SECONDS = 10**9
_ABOUT_A_SECOND = 0.95  # what is shorter is written in tenths, and never as nothing
_SHORTEST = 0.1
_MAX_SHOWN = 10**24  # bytes: a float holds it
_QUANTITY = re.compile(
    r"(?P<sign>[+-]?)(?:(?P<whole>[0-9]+)\.?|(?=\.[0-9])\.)(?P<part>[0-9]*)"
    r"(?P<suffix>[KMGTPE]i|[numkMGTPE]?)(?:(?<=[0-9.])[eE](?P<exponent>[+-]?[0-9]+))?"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def bytes_of_quantity(quantity: str | int) -> int:
    """Read a Kubernetes quantity of storage (`10Gi`, `500M`, `1e9`) as bytes, rounded up, and no more than MAX_SIZE.

    The grammar: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    Raises ValueError when it is none, or negative.
    """
    if isinstance(quantity, int):
        return _in_range(Fraction(quantity), str(quantity) if abs(quantity) < MAX_SIZE else "a number so large")
    found = _QUANTITY.fullmatch(quantity.strip()) if len(quantity) <= _MAX_TEXT else None
    if found is None:
        raise ValueError(f"{quantity[:_MAX_TEXT]!r} is not a size such as 10Gi or 500M")
    number = Fraction(int((found["whole"] or "") + found["part"]), 10 ** len(found["part"]))
    # its length is known to be small; what it says is looked at before it is computed with
    exponent = max(-_MAX_EXPONENT, min(_MAX_EXPONENT, int(found["exponent"] or 0))) + _DECIMAL.get(found["suffix"], 0)
    value = number * Fraction(10) ** exponent * 1024 ** _BINARY.get(found["suffix"], 0)
    return _in_range(-value if found["sign"] == "-" else value, repr(quantity))


def _in_range(value: Fraction, said: str) -> int:
    if value < 0:
        raise ValueError(f"{said} is below zero")
    return min(MAX_SIZE, math.ceil(value))


def size_for_people(size: int) -> str:
    """Write bytes the way `ls -h --si` users read them: `82 MB`, `1.2 GB`, `512 B`."""
    value = float(min(size, _MAX_SHOWN))
    for unit in _SIZES:
        if value < 999.5 or unit == _SIZES[-1]:
            digits = 1 if value < 9.95 and unit != "B" else 0
            return f"{value:.{digits}f} {unit}"
        value /= 1000
    raise AssertionError("unreachable: the last unit always returns")


def duration_for_people(seconds: float) -> str:
    """Write a duration as kubectl prints an age: `4s`, `2m5s`, `3h10m`, `2d4h`; and below a second `0.3s`."""
    if 0 < seconds < _ABOUT_A_SECOND:
        return f"{max(_SHORTEST, seconds):.1f}s"
    whole = timedelta(seconds=round(max(0.0, min(seconds, _MAX_SECONDS))))
    hours, rest = divmod(whole.seconds, 3600)
    minutes, secs = divmod(rest, 60)
    parts = [(whole.days, "d"), (hours, "h"), (minutes, "m"), (secs, "s")]
    first = next((i for i, (value, _) in enumerate(parts) if value), 3)
    return "".join(f"{value}{unit}" for value, unit in parts[first : first + 2] if value) or "0s"


def duration_in_words(seconds: float) -> str:
    """Write a duration for a sentence, in which `0s` would read as a mistake."""
    text = duration_for_people(seconds)
    return "less than a second" if text == "0s" or seconds < _ABOUT_A_SECOND else text
