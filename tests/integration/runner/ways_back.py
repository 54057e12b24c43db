"""The ways in which a backup comes back, as a product, and the cut of it that `make test` has time for."""

import itertools
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import pyrage
import pytest

ALGORITHMS = ("gzip", "zstd", "none")
BESIDE, ELSEWHERE, REPLACED = "beside it", "elsewhere", "in its place"
TARGETS = (BESIDE, ELSEWHERE, REPLACED)
"""Under another name on the same server (or claim); on another one; in the place of what is there."""
IDENTITY, OTHER = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
RECIPIENTS = [str(OTHER.to_public()), str(IDENTITY.to_public())]
IDENTITY_FILE = {"key.txt": f"# public key: {RECIPIENTS[1]}\n{IDENTITY}\n"}


@dataclass(frozen=True)
class Way:
    """One case of the product."""

    form: str
    algorithm: str
    encrypted: bool
    target: str

    def __str__(self) -> str:
        return f"{self.form}, {self.algorithm}, {'age' if self.encrypted else 'plain'}, {self.target}"

    @property
    def recipients(self) -> list[str]:
        return RECIPIENTS if self.encrypted else []

    @property
    def identity(self) -> dict[str, str] | None:
        return IDENTITY_FILE if self.encrypted else None


def product(forms: Sequence[str]) -> list[Way]:
    return [Way(*values) for values in itertools.product(forms, ALGORITHMS, (False, True), TARGETS)]


def each_pair(forms: Sequence[str]) -> set[Way]:
    """Choose nine of three formats, so that each pair of two values of different kinds is in one of them."""
    numbers = itertools.product(range(len(forms)), range(len(ALGORITHMS)))
    encrypted = {(0, 1), (0, 2), (1, 0), (1, 2), (2, 1)}
    return {
        Way(forms[row], ALGORITHMS[column], (row, column) in encrypted, TARGETS[(row + column) % 3])
        for row, column in numbers
    }


def each_value(form: str) -> set[Way]:
    """Choose three of one format, so that each value is in one of them."""
    return {
        Way(form, algorithm, target == ELSEWHERE, target) for algorithm, target in zip(ALGORITHMS, TARGETS, strict=True)
    }


def cases(ways: Collection[Way], everyday: Collection[Way]) -> list[Any]:
    return [pytest.param(way, id=str(way), marks=[] if way in everyday else [pytest.mark.matrix]) for way in ways]


def kinds(way: Way) -> list[tuple[str, object]]:
    """Return each value with the kind that it is of."""
    return list(zip(("form", "algorithm", "encrypted", "target"), astuple(way), strict=True))
