"""What a task needs of a database engine. Each engine's package gives it; the tasks themselves know no engine."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from holdfast.api.policy import Dump
from holdfast.contract.globals import Globals
from holdfast.contract.manifest import Manifest, ManifestArtifact, ManifestMigrations, ManifestTable
from holdfast.contract.needs import ManifestNeed
from holdfast.contract.task import Beside, RestoreTask
from holdfast.runner.artifact.stream import Sink
from holdfast.runner.engines.scripts import Script
from holdfast.runner.pod.progress import Progress


@dataclass(frozen=True)
class Overrides:
    """Where a restore goes instead of where its task says: what a person changes in a pasted Job."""

    host: str | None = None
    port: str | None = None
    database: str | None = None
    claim: str | None = None
    path: str | None = None


@dataclass(frozen=True)
class Ready:
    """What validation found out: the database can be dumped, by this tool."""

    host: str
    database: str
    server_version: str
    server_major: int  # as in the keys of the runners' images
    database_size: int  # bytes on the server
    tool: str
    tool_version: str
    migrations: list[ManifestMigrations] = field(default_factory=list)
    needs: list[ManifestNeed] = field(default_factory=list)  # what the dump will not hold and a restore needs
    globals: Globals | None = None  # roles, owners and grants, where they were asked for and could be read


@dataclass(frozen=True)
class Contents:
    """What a dump was seen to hold while it passed."""

    tables: list[ManifestTable]
    schema_sha256: str
    migrations: list[ManifestMigrations] = field(default_factory=list)  # where they are not known before the dump
    needs: list[ManifestNeed] = field(default_factory=list)  # what only the dump itself shows

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)


class Dumping(Protocol):
    """A dump that is being made."""

    arguments: list[str]
    """The tool's, without the connection."""
    suffix: str
    """What the artifact's name ends in before it is compressed."""
    contents: Contents | None
    """Known when the stream has ended; None where it cannot be told."""

    def stream(self, sink: Sink, progress: Progress) -> str:
        """Pass the whole dump on, require every exit code; return how it was seen to be readable.

        Raises HoldfastError on any doubt.
        """
        ...


class Reading(Protocol):
    """Reads a stored dump through, with no database at hand."""

    contents: Contents | None
    """Known when the stream has ended; None where it cannot be told."""
    schema_comparable: bool
    """Whether the hash of the schema must be the manifest's: another release of a tool may write it differently."""

    def read(self, stream: Iterator[bytes], progress: Progress) -> str:
        """Take the whole dump, decompressed; return how it was seen to be whole. Raises HoldfastError on any doubt."""
        ...


@dataclass(frozen=True)
class Look:
    """What is in a database now, as far as it is known without counting; None is what nobody knows."""

    size_bytes: int | None = None
    tables: int | None = None
    rows: int | None = None
    estimated: bool = False  # the rows are the server's own estimate
    clients: int | None = None  # that are connected to it, without ourselves
    server_time: datetime | None = None
    newest_change: datetime | None = None
    newest_change_of: str | None = None  # what that time is of, in words
    migrations: list[ManifestMigrations] = field(default_factory=list)


@dataclass(frozen=True)
class Came:
    """What a target has after a restore."""

    tables: list[ManifestTable]  # of the manifest's, those that are there, with their rows as counted now
    faults: list[str] = field(default_factory=list)  # what else is not as it must be, each in words, by name
    looked_at: list[str] = field(default_factory=list)  # what was looked at for faults: sequences, constraints, ...
    server_version: str | None = None
    tool_version: str | None = None


@dataclass(frozen=True)
class Switched:
    """A restored database has taken the target's name."""

    replaced: str | None  # what the one that had it is called now; None where there was none
    seconds: float | None  # in which nobody could write; None where an earlier Pod did it


class Landing(Protocol):
    """Where a restore goes, by its mode: see landing.py."""

    def done(self) -> Switched | None:
        """Return what an earlier Pod of this restore has done, where it has come to the end. Raises HoldfastError."""
        ...

    def opened(self) -> "AbstractContextManager[Source]":
        """Entering makes ready what the dump is fed into; left by an error, nothing stays of what was made for it."""
        ...

    def switch(self) -> Switched | None:
        """Have what was restored take its place; None where it is in its place already.

        Raises HoldfastError, and then all is as it was.
        """
        ...


class Giving(Protocol):
    """Gives what is restored the roles, owners and rights that it is to have."""

    def require(self, manifest: Manifest) -> Manifest:
        """See that it can be done, before anything is; return the manifest without those needs that it provides.

        Raises TargetNotReady.
        """
        ...

    def made(self) -> AbstractContextManager[None]:
        """Entering makes the roles; leaving ends what this user was given only to restore. Raises HoldfastError."""
        ...

    def finish(self) -> list[str]:
        """Give owners and rights to what was restored; return what was compared with the backup then.

        Raises HoldfastError.
        """
        ...


class Source(Protocol):
    """One database of one engine: what is dumped, or restored into. As text, it says where it is and who asks."""

    warnings: list[str]
    """What is worth knowing of how it is reached."""

    def validate(self, *, with_globals: bool | None = None) -> Ready:
        """Connect, see that the tool is there and fits the server, ask for what the dump will not hold.

        `with_globals` asks for roles, owners and grants, too: None where the engine has such and may read them.
        Raises HoldfastError.
        """
        ...

    def dumping(self, dump: Dump, ready: Ready, scratch_bytes: int | None) -> AbstractContextManager[Dumping]:
        """Entering starts what can be started; leaving ends every process and removes what lies on the disk."""
        ...

    def look(self) -> Look:
        """Say what is in it now, and change nothing. Raises DatabaseNotFound, and what else keeps us from it."""
        ...

    def require_empty(self) -> None:
        """Connect to a restore's target. Raises TargetNotEmpty where a user has made something in it."""
        ...

    def require_needs(self, manifest: Manifest) -> None:
        """See that the target has what the manifest says a restore needs, before any of the dump is fetched.

        Raises TargetNotReady, with the statement that mends it; what is only lacking afterwards becomes a warning.
        A manifest without `needs` is of an older version: nothing is asked.
        """
        ...

    def restore(
        self, task: RestoreTask, artifact: ManifestArtifact, stream: Iterator[bytes], progress: Progress
    ) -> None:
        """Feed the dump, decompressed, into the database; in one transaction where engine and format have such."""
        ...

    def stages(self, task: RestoreTask, artifact: ManifestArtifact) -> bool:
        """Tell whether `restore` takes the stream to its end before any of it reaches a tool or the database."""
        ...

    def make(self, manifest: Manifest) -> None:
        """Make the database, as the dump needs it, where the server does not have it. Raises HoldfastError."""
        ...

    def require_served(self, task: RestoreTask, manifest: Manifest) -> None:
        """See that engine and format can do all that the task asks for, before anything is done. Raises InvalidTask."""
        ...

    def came(self, manifest: Manifest, task: RestoreTask) -> Came | None:
        """Look at what was restored: count the manifest's tables, find what is not as it must be, have it analysed."""
        ...

    def require_scripts(self) -> None:
        """See, before anything is made, that SQL can be run on the server. Raises HoldfastError."""
        ...

    def run_script(self, script: Script) -> int:
        """Run SQL in the restored database by the engine's driver, as one transaction where the engine has such.

        Returns how many statements have run. Raises AfterRestoreFailed.
        """
        ...

    def giving(self, task: RestoreTask, found: Globals | None) -> Giving:
        """Return how roles, owners and rights are given; `found` is what the backup has, where the task asks for it."""
        ...

    def beside(self, names: Beside, manifest: Manifest) -> Landing:
        """Return how this database is replaced (mode Replace)."""
        ...

    def swap_back(self, kept: str, old: str) -> Switched:
        """Put back one that was replaced; the one that is there now is then called `old`. Raises HoldfastError."""
        ...

    def drop(self, names: list[str]) -> list[str]:
        """Remove what a restore left beside this database; return which of these were there. Raises HoldfastError."""
        ...
