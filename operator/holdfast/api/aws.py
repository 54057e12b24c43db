"""What AWS's words look like: what RDS says, or whoever answers in its place, goes no further unless it looks so.

Administrators paste commands that are made of it. AWS documents the forms field by field in the reference of RDS's
API: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBSnapshot.html; where it gives none, these have
what its own values have, with some room.
"""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Protocol, TypeVar

REGION = r"[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}"
_IDENTIFIER = r"[A-Za-z](-?[A-Za-z0-9]){0,254}"


class Word(StrEnum):
    """The kinds of words; each value is the pattern that the whole word must match."""

    ARN = rf"arn:aws(-[a-z]{{1,8}}){{0,3}}:rds:{REGION}:[0-9]{{12}}:(cluster-)?snapshot:{_IDENTIFIER}"
    INSTANCE_ARN = rf"arn:aws(-[a-z]{{1,8}}){{0,3}}:rds:{REGION}:[0-9]{{12}}:(db|cluster):{_IDENTIFIER}"
    ADDRESS = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
    REGION = REGION
    IDENTIFIER = _IDENTIFIER
    KMS_KEY = r"[A-Za-z0-9][A-Za-z0-9:/_-]{0,2047}"  # an id, an ARN or an alias
    ENGINE = r"[a-z][a-z0-9-]{0,63}"
    VERSION = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}"
    CLASS = r"db(\.[a-z0-9-]{1,32}){1,4}"
    SUBNET_GROUP = r"[A-Za-z0-9._][A-Za-z0-9._ -]{0,254}"
    SECURITY_GROUP = r"sg-[0-9a-z]{1,32}"
    STATE = r"[A-Za-z][A-Za-z0-9 _-]{0,63}"

    def fits(self, text: object) -> bool:
        """Whether this is such a word, the whole of it."""
        return isinstance(text, str) and re.fullmatch(self.value, text, re.ASCII) is not None


class InRegion(Protocol):
    """A snapshot where it lies, as a manifest, a report or a status has it."""

    @property
    def arn(self) -> str:
        """Its ARN."""

    @property
    def region(self) -> str:
        """Where it lies."""

    @property
    def kms_key_id(self) -> str | None:
        """What encrypts it."""


class Described(InRegion, Protocol):
    """A snapshot with what RDS says of it."""

    @property
    def source(self) -> str:
        """What it was taken of."""

    @property
    def engine(self) -> str:
        """The database's engine."""

    @property
    def engine_version(self) -> str:
        """The engine's version."""

    @property
    def instance_class(self) -> str | None:
        """Class of what it was taken of."""

    @property
    def subnet_group(self) -> str | None:
        """Subnet group of what it was taken of."""

    @property
    def security_groups(self) -> Sequence[str]:
        """Security groups of what it was taken of."""

    @property
    def copy_in(self) -> InRegion | None:
        """Its copy in another region."""


D = TypeVar("D", bound=Described)


def strange_field(snapshot: Described) -> str | None:
    """Name the first field of a snapshot that does not look as AWS writes it; None where all of them do."""
    return next((name for name, word, text in _words(snapshot) if text is not None and not word.fits(text)), None)


def checked(snapshot: D) -> D:
    """Return the snapshot. Raises ValueError where a field of it is not what AWS writes there."""
    field = strange_field(snapshot)
    if field is not None:
        raise ValueError(f"{field} is not what AWS writes there")
    return snapshot


def _words(snapshot: Described) -> Iterator[tuple[str, Word, str | None]]:
    yield from _place(snapshot, "")
    yield "source", Word.IDENTIFIER, snapshot.source
    yield "engine", Word.ENGINE, snapshot.engine
    yield "engineVersion", Word.VERSION, snapshot.engine_version
    yield "instanceClass", Word.CLASS, snapshot.instance_class
    yield "subnetGroup", Word.SUBNET_GROUP, snapshot.subnet_group
    for group in snapshot.security_groups:
        yield "securityGroups", Word.SECURITY_GROUP, group
    if snapshot.copy_in is not None:
        yield from _place(snapshot.copy_in, "copy.")


def _place(where: InRegion, prefix: str) -> Iterator[tuple[str, Word, str | None]]:
    yield f"{prefix}arn", Word.ARN, where.arn
    yield f"{prefix}region", Word.REGION, where.region
    yield f"{prefix}kmsKeyID", Word.KMS_KEY, where.kms_key_id
