"""Sizes and durations, as machines hold them and as people read them."""

from datetime import timedelta
from decimal import Decimal, InvalidOperation

_DECIMAL = {"": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def bytes_of_quantity(quantity: str | int) -> int:
    """Read a Kubernetes quantity of storage (`10Gi`, `500M`, `1e9`) as bytes, rounded up.

    The grammar: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    Raises ValueError when it is none, or negative.
    """
    text = str(quantity).strip()
    suffix = text.lstrip("+-0123456789.") if "e" not in text.lower().rstrip("ei") else ""
    number = text.removesuffix(suffix)
    try:
        factor = Decimal(1024) ** _BINARY[suffix] if suffix in _BINARY else Decimal(1000) ** _DECIMAL[suffix]
        value = Decimal(number) * factor
    except (InvalidOperation, KeyError) as error:
        raise ValueError(f"{quantity!r} is not a size such as 10Gi or 500M") from error
    if value < 0:
        raise ValueError(f"{quantity!r} is below zero")
    return int(value.to_integral_value(rounding="ROUND_CEILING"))


def size_for_people(size: int) -> str:
    """Write bytes the way `ls -h --si` users read them: `82 MB`, `1.2 GB`, `512 B`."""
    value = float(size)
    for unit in _SIZES:
        if value < 999.5 or unit == _SIZES[-1]:
            digits = 1 if value < 9.95 and unit != "B" else 0
            return f"{value:.{digits}f} {unit}"
        value /= 1000
    raise AssertionError("unreachable: the last unit always returns")


def duration_for_people(seconds: float) -> str:
    """Write a duration as kubectl prints an age: `4s`, `2m5s`, `3h10m`, `2d4h`."""
    whole = timedelta(seconds=round(seconds))
    hours, rest = divmod(whole.seconds, 3600)
    minutes, secs = divmod(rest, 60)
    parts = [(whole.days, "d"), (hours, "h"), (minutes, "m"), (secs, "s")]
    first = next((i for i, (value, _) in enumerate(parts) if value), 3)
    return "".join(f"{value}{unit}" for value, unit in parts[first : first + 2] if value) or "0s"
