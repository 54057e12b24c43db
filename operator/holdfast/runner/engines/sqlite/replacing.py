"""Replaces an SQLite file: the restored one is written and looked through beside it, then takes its name."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from holdfast.contract.task import Beside
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.protocol import Switched
from holdfast.runner.engines.sqlite import restore
from holdfast.runner.engines.sqlite.exchange import Exchange, holding
from holdfast.runner.engines.sqlite.place import SIDE_FILES, Place
from holdfast.runner.pod.stop import Stop

if TYPE_CHECKING:
    from holdfast.runner.engines.sqlite.source import SQLite


@dataclass(frozen=True)
class Replacing:
    """See protocol.Landing."""

    target: "SQLite"
    names: Beside

    @property
    def _exchange(self) -> Exchange:
        place = self.target.place
        return Exchange(place, sibling(place, self.names.fresh), sibling(place, self.names.old))

    def done(self) -> Switched | None:
        """See Landing. Raises TargetNotReady where somebody made another database in the midst of it."""
        return Switched(self.names.old, None) if self._exchange.done() else None

    def opened(self) -> AbstractContextManager["SQLite"]:
        """See Landing. Raises DatabaseLocked before anything of the backup is fetched, where it would at the end."""
        return self._opened()

    @contextmanager
    def _opened(self) -> Iterator["SQLite"]:
        exchange, place = self._exchange, self.target.place
        exchange.require_owner()
        if place.file.exists():
            with holding(place, place.file, self.target.stop):
                pass
        remove(exchange.incoming)  # of an earlier Pod
        try:
            path = exchange.incoming.relative_to(place.root.resolve())
            yield self.target.at(replace(place, path=str(path)), whose=path.name)
        except BaseException:
            if not exchange.done():
                remove(exchange.incoming)
            raise

    def switch(self) -> Switched:
        """See Landing."""
        return Switched(self.names.old, self._exchange.make(self.target.stop))


def swapped_back(place: Place, kept: str, old: str, stop: Stop) -> Switched:
    """See protocol.Source."""
    exchange = Exchange(place, sibling(place, kept), sibling(place, old))
    if exchange.done():
        return Switched(old, None)
    if not exchange.incoming.exists():
        raise HoldfastError(
            Reason.DATABASE_NOT_FOUND,
            f"{kept!r}, the file to put back as {place}, does not exist",
            "look into the folder: Holdfast removes a kept file after keepReplacedHours; nothing was changed",
        )
    exchange.require_owner()
    return Switched(old, exchange.make(stop))


def dropped(place: Place, names: list[str]) -> list[str]:
    """See protocol.Source."""
    files = [(name, sibling(place, name)) for name in names]
    there = [name for name, file in files if file.exists()]
    for _, file in files:
        try:
            remove(file)
        except PermissionError as error:
            raise place.denied() from error
    return there


def remove(file: Path) -> None:
    """Remove a file of a restore's own making, with what lies beside it, and what was not whole yet."""
    for ending in ("", *SIDE_FILES):
        Path(f"{file}{ending}").unlink(missing_ok=True)
    restore.temporary(file, file.name).unlink(missing_ok=True)


def sibling(place: Place, name: str) -> Path:
    """Return the file of this name beside the target itself. Raises InvalidTask for any other place, or a name of its.

    A path that is a link within the claim stays one: what is exchanged is the file that it leads to.
    """
    path, file = PurePosixPath(name), place.file
    taken = [f"{own}{ending}" for own in (file.name, PurePosixPath(place.path).name) for ending in ("", *SIDE_FILES)]
    if path.parent != PurePosixPath(place.path).parent or path.name in ("", "..", *taken):
        raise HoldfastError(
            Reason.INVALID_TASK,
            f"{name!r} is not a path in the folder of {place}, or is the path of the database itself",
            "use runner images of the operator's own release; nothing was changed",
        )
    return file.parent / path.name
