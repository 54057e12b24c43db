"""Looks at a file that a restore has written: every page, every index, the rows of each table, the schema."""

from holdfast.contract.manifest import Manifest
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.protocol import Came
from holdfast.runner.engines.sqlite import work
from holdfast.runner.engines.sqlite.place import Place
from holdfast.runner.pod.stop import Stop


def look(place: Place, manifest: Manifest, stop: Stop, warnings: list[str]) -> Came:
    """See protocol.Source.came. What breaks a rule of the database's own schema becomes a warning, as at its backup."""
    try:
        warnings += work.check(place, place.file, stop)
        contents, told = work.contents(place, place.file, stop)
    except HoldfastError as error:
        if error.reason not in (Reason.DATABASE_CORRUPT, Reason.NOT_A_DATABASE):
            raise
        return Came([], [error.message])
    warnings += told
    if contents is None:
        return Came([], ["its rows cannot be counted"] if manifest.tables else [], ["integrity"])
    known = {table.name for table in manifest.tables or []}
    faults, looked_at = [], ["integrity"]
    if manifest.schema_sha256 is not None:
        looked_at.append("schema")
        if contents.schema_sha256 != manifest.schema_sha256:
            faults.append(f"the hash of its schema is {contents.schema_sha256}, not {manifest.schema_sha256}")
    return Came([table for table in contents.tables if table.name in known], faults, looked_at)
