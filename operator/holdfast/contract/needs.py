"""What a dump does not hold and a restore needs: as the manifest lists it, and as a person is told of it. Pure.

Names and values are as the server has them, since a restore compares them; in the manifest they are JSON's own escapes,
and whoever shows one makes it plain text first. A restore never runs what stands in `run`: whoever may write to the
bucket may have written it. The engine makes the statement anew from kind, name and value.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Self

from pydantic import Field

from holdfast.api.base import StatusModel
from holdfast.sentences import shorten
from holdfast.texts import plain

MAX_NEEDS = 300  # of one manifest
MAX_NAME, MAX_VALUE, MAX_RUN = 512, 2048, 8192  # characters
MAX_TOLD = 12  # sentences in report and status
MAX_SENTENCE = 300  # characters


class NeedKind(StrEnum):
    """What is needed, in words that hold for every engine."""

    ENCODING = "Encoding"
    LOCALE = "Locale"
    COLLATION = "Collation"
    SERVER_VERSION = "ServerVersion"
    SERVER_SETTING = "ServerSetting"
    DATABASE_SETTING = "DatabaseSetting"
    COMMENT = "Comment"
    ROLE = "Role"
    ACCOUNT = "Account"
    PRIVILEGE = "Privilege"
    TABLESPACE = "Tablespace"
    EXTENSION = "Extension"


_WORDS: dict[str, str] = {
    NeedKind.ENCODING: "the encoding",
    NeedKind.LOCALE: "the locale",
    NeedKind.COLLATION: "the collation",
    NeedKind.SERVER_VERSION: "the server's version, at least",
    NeedKind.SERVER_SETTING: "the server's setting",
    NeedKind.DATABASE_SETTING: "the database's setting",
    NeedKind.COMMENT: "the comment on",
    NeedKind.ROLE: "the role",
    NeedKind.ACCOUNT: "the definer, a user,",
    NeedKind.PRIVILEGE: "the privilege",
    NeedKind.TABLESPACE: "the tablespace",
    NeedKind.EXTENSION: "the extension",
}


class ManifestNeed(StatusModel):
    """One thing that the dump does not hold and a restore needs."""

    kind: str = Field(
        "",
        description="Kind of what is needed: Encoding, Locale, Collation, ServerVersion, ServerSetting, "
        "DatabaseSetting, Comment, Role, Account, Privilege, Tablespace or Extension.",
    )
    name: str = Field("", description="Name of what is needed, as the server has it.")
    value: str | None = Field(
        None, description="Its value, if it has one, e.g. a setting's, or an extension's version."
    )
    of: str | None = Field(
        None, description="What it belongs to, e.g. the schema of an extension, or the role that a setting is for."
    )
    run: str | None = Field(
        None,
        description="Statement that provides it, for an administrator. It names the database that was dumped: change "
        "the name if the target has another one.",
    )
    required: bool = Field(
        False, description="Whether a restore cannot succeed without it. If not, the restored database lacks it."
    )

    @classmethod
    def of_server(
        cls, kind: NeedKind, name: str, value: str | None = None, *, of: str | None = None, run: str | None = None,
        required: bool = False,
    ) -> Self:  # fmt: skip
        """Make one of what a server said, bounded: a text that is too long to be used again is left out."""
        kept = value if value is None or len(value) <= MAX_VALUE else None
        runs = run if run is not None and kept == value and len(run) <= MAX_RUN else None
        return cls(kind=kind.value, name=name[:MAX_NAME], value=kept, of=of, run=runs, required=required)

    def is_of(self, kind: NeedKind) -> bool:
        """Whether it is of this kind."""
        return self.kind == kind


def bounded(needs: Iterable[ManifestNeed]) -> tuple[list[ManifestNeed], list[str]]:
    """Return as many as a manifest holds, what is required first, and a warning where some had to go."""
    found = sorted(needs, key=lambda need: not need.required)
    if len(found) <= MAX_NEEDS:
        return found, []
    return found[:MAX_NEEDS], [
        f"a restore needs {len(found)} things that are not in the dump, but the manifest lists only {MAX_NEEDS} of them"
    ]


def told(needs: Sequence[ManifestNeed]) -> list[str]:
    """Return what to run first in short sentences, one for each statement; the last one says how many are left out.

    What no statement gives and a restore does without is in the manifest alone.
    """
    once: dict[str, str] = {}
    worth = [need for need in needs if need.run or (need.required and not need.is_of(NeedKind.SERVER_VERSION))]
    for need in sorted(worth, key=lambda need: not need.required):
        once.setdefault(need.run or need.kind + need.name, sentence(need))
    sentences = list(once.values())
    if len(sentences) <= MAX_TOLD:
        return sentences
    return [*sentences[: MAX_TOLD - 1], f"and {len(sentences) - MAX_TOLD + 1} more: see needs in manifest.json"]


def sentence(need: ManifestNeed, run: str | None = None) -> str:
    """Say what is needed, and which statement provides it: `run`, else its own."""
    run = run or need.run
    what = f"{what_it_is(need)}{_value(need, run)}"
    said = f"{what} must exist before a restore" if need.required else f"{what} is not in the dump"
    return shorten(plain(f"{said}: {run}" if run else said), MAX_SENTENCE)


def what_it_is(need: ManifestNeed) -> str:
    """Return kind and name in words."""
    return f"{_WORDS.get(need.kind, need.kind)} {plain(need.name)}{f' of {plain(need.of)}' if need.of else ''}"


def _value(need: ManifestNeed, run: str | None) -> str:
    return f" ({need.value})" if need.value and need.value not in (run or "") else ""
