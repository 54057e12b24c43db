"""Where a restore goes: into the target itself, or beside it until it is whole.

`Refuse` and `Into` are the same for every engine. How `Replace` is done, each engine says itself (`Source.beside`).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from holdfast.api.restoring import Content, GlobalsMode, RestoreMode
from holdfast.contract.manifest import Manifest
from holdfast.contract.task import RestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.protocol import Landing, Source, Switched

_BEFORE_THE_NEXT = {
    RestoreMode.REFUSE: "drop the target database and create it again before the next restore",
    RestoreMode.INTO: "take what of the dump is in the target out before the next restore",
}


LEFT = (
    "if an earlier restore was killed and has left this, drop the database and create it again first; nothing was "
    "changed"
)
"""What else to do about a database that is not empty."""


class InPlace:
    """The target itself."""

    def __init__(self, source: Source, task: RestoreTask, manifest: Manifest) -> None:
        self._source, self._task, self._manifest = source, task, manifest

    def done(self) -> Switched | None:
        """Nothing tells: what is there may be anybody's."""
        return None

    def opened(self) -> AbstractContextManager[Source]:
        """See Landing. What an error leaves, the engine's own transaction has undone, or its error says."""
        return self._opened()

    @contextmanager
    def _opened(self) -> Iterator[Source]:
        if self._task.create:
            self._source.make(self._manifest)
        if self._task.mode is RestoreMode.REFUSE:
            self._source.require_empty()
        yield self._source

    def switch(self) -> Switched | None:
        """It is in its place."""
        return None


@contextmanager
def told_of_a_part(task: RestoreTask, target: object) -> Iterator[None]:
    """Have an error say that a part of the dump may be in the target: around what is not one transaction."""
    with left_there(task, f"a part of the dump may be in {target}", _BEFORE_THE_NEXT.get(task.mode, "")):
        yield


@contextmanager
def told_of_all(task: RestoreTask, target: object, how: str = "") -> Iterator[None]:
    """Have an error say that all of the dump is in the target; `how` goes on from there."""
    anew = "restore into an empty database" if task.mode is RestoreMode.REFUSE else ""
    with left_there(task, f"all of the dump is in {target}{how}", anew):
        yield


@contextmanager
def left_there(task: RestoreTask, what: str, remedy: str) -> Iterator[None]:
    """Have an error say what it leaves in the target: nothing, where the dump went beside it."""
    try:
        yield
    except HoldfastError as error:
        if task.mode is RestoreMode.REPLACE:
            raise
        remedies = "; ".join(filter(None, (error.remedy, remedy)))
        raise HoldfastError(
            error.reason, f"{error.message}; {what}", remedies, differences=error.differences
        ) from error


class NothingGiven:
    """What is restored belongs to who restores it. See engine.Giving."""

    def require(self, manifest: Manifest) -> Manifest:
        """Nothing more is wanted."""
        return manifest

    def made(self) -> AbstractContextManager[None]:
        """There is nothing to make."""
        return nullcontext()

    def finish(self) -> list[str]:
        """There is nothing to give."""
        return []


def landing(source: Source, task: RestoreTask, manifest: Manifest) -> Landing:
    """Return where the task is to go. Raises InvalidTask."""
    if task.mode is not RestoreMode.REPLACE:
        return InPlace(source, task, manifest)
    if task.beside is None:
        raise HoldfastError(
            Reason.INVALID_TASK,
            "the task says to replace a database, but not under which names",
            "use runner images of the operator's own release",
        )
    return source.beside(task.beside, manifest)


def not_served(what: str) -> HoldfastError:
    """Make the error for what an engine cannot do."""
    return HoldfastError(
        Reason.INVALID_TASK,
        f"this engine or format does not support {what}",
        "leave this option out, then restore again; nothing was changed",
    )


def malformed(what: str) -> HoldfastError:
    """Make the error for a companion (contract/globals.py) that is not as any backup is written."""
    return HoldfastError(
        Reason.MANIFEST_CONFLICT,
        f"the backup's list of roles, owners and grants has {what}, which Holdfast never writes; nothing was changed",
        "this is not what was backed up: find out who else writes to this bucket, and restore another backup",
    )


def require_plain(task: RestoreTask) -> None:
    """Refuse, by name, what asks for a part of the dump, or for roles, owners and grants. Raises InvalidTask."""
    require_all_of_it(task)
    require_nothing_given(task)


def require_all_of_it(task: RestoreTask) -> None:
    """Refuse, by name, what asks for a part of the dump. Raises InvalidTask."""
    if task.content is not Content.ALL:
        raise not_served(f"content {task.content}")
    if task.tables:
        raise not_served("tables")


def require_all_given(task: RestoreTask) -> None:
    """Refuse roles, owners and grants with what is only a part of a restore. Raises InvalidTask."""
    partly = task.mode is RestoreMode.INTO or task.content is Content.DATA or task.tables
    if partly and (task.globals is not GlobalsMode.NONE or task.owner is not None):
        raise HoldfastError(
            Reason.INVALID_TASK,
            "globals and owner are of a whole restore into an empty or a new database",
            "leave them out, or restore all of the backup in the mode Refuse or Replace; nothing was changed",
        )


def require_nothing_given(task: RestoreTask) -> None:
    """Refuse, by name, what asks for roles, owners and grants. Raises InvalidTask."""
    if task.globals is not GlobalsMode.NONE:
        raise not_served(f"globals {task.globals}")
    require_no_owner(task)


def require_no_owner(task: RestoreTask) -> None:
    """Refuse, by name, what gives all of it to one role. Raises InvalidTask."""
    if task.owner is not None:
        raise not_served(f"owner {task.owner}")
