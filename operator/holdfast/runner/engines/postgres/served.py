"""What of a restore's options each format can serve, and which clients may read a dump at all."""

from holdfast.api.policy import Format
from holdfast.api.restoring import Content, RestoreMode
from holdfast.contract.manifest import Manifest
from holdfast.contract.task import RestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines import landing, safe_releases, tools
from holdfast.runner.engines.postgres.names import parsed


def require(task: RestoreTask, manifest: Manifest) -> None:
    """Refuse, by name, what the format cannot do. Raises InvalidTask."""
    form = manifest.artifact.format
    if form == Format.SQL:
        if task.content is not Content.ALL:
            raise _not_served(f"content {task.content}", form, "a script is run as a whole")
        if task.tables:
            raise _not_served("tables", form, "a script is run as a whole")
    if task.jobs > 1 and form == Format.SQL:
        raise _not_served(f"jobs: {task.jobs}", form, "a script is run as a whole")
    if task.jobs > 1 and task.mode is RestoreMode.INTO:
        raise HoldfastError(
            Reason.INVALID_TASK,
            f"jobs: {task.jobs} is not possible with mode Into: several sessions are not one transaction, so a "
            "conflict would leave a part of the dump in the target",
            "leave options.jobs out; nothing was changed",
        )
    landing.require_all_given(task)
    known = {table.name for table in manifest.tables or []}
    unknown = [
        name for name in task.tables if parsed(name) is None or (manifest.tables is not None and name not in known)
    ]
    if unknown:
        raise HoldfastError(
            Reason.INVALID_TASK,
            f"the backup has no table {unknown[0]!r}",
            "name the tables as manifest.json does, e.g. public.orders; nothing was changed",
        )


def _not_served(what: str, form: str, why: str) -> HoldfastError:
    return HoldfastError(
        Reason.INVALID_TASK,
        f"a backup in format {form} cannot be restored with {what}: {why}",
        "leave this option out, or restore a backup in format custom or directory; nothing was changed",
    )


def require_safe(form: str) -> None:
    """Refuse a client that a hostile dump gets the better of. Raises ToolTooOld."""
    tool = "psql" if form == Format.SQL else "pg_restore"
    for warning in safe_releases.warnings("pg_dump", tools.version(tool)[0]):  # they are of pg_dump's package
        raise HoldfastError(
            Reason.TOOL_TOO_OLD,
            f"{warning.replace('pg_dump', tool)}; a dump may be hostile, so Holdfast does not restore it with this "
            "client",
            "use a newer build of the runner image; nothing was changed",
        )
