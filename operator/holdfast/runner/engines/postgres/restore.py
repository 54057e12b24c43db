"""Feeds a dump of each format into a PostgreSQL database."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from holdfast.api.policy import Format
from holdfast.api.restoring import Content, RestoreMode
from holdfast.contract.manifest import ManifestArtifact
from holdfast.contract.task import RestoreTask
from holdfast.errors import Reason
from holdfast.runner.engines import landing
from holdfast.runner.engines.postgres import entries, staging
from holdfast.runner.engines.postgres.commands import without_commands
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.engines.postgres.dumps import ARCHIVE_FOLDER
from holdfast.runner.engines.scratch import Room, removed_after
from holdfast.runner.engines.tool_errors import RESTORING, check, feed_tool
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress

LIST_FILE = "restore.list"  # beside the pgpass file
PSQL = ("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", "--no-password", "--file=-")
PG_RESTORE = ("pg_restore", "--exit-on-error", "--no-owner", "--no-acl", "--no-tablespaces", "--no-password")
ONE = "--single-transaction"
PARTS: dict[Content, list[str]] = {Content.ALL: [], Content.SCHEMA: ["--schema-only"], Content.DATA: ["--data-only"]}


@dataclass(frozen=True)
class Given:
    """What the target was seen to have."""

    schemas: list[str] = field(default_factory=list)  # that are there, and not made again
    limits: dict[str, str] = field(default_factory=dict)  # settings of the session that are lifted

    def environment(self, target: Target) -> dict[str, str]:
        """Return what the tool needs; options only where there is something to lift, since some poolers refuse them."""
        lifted = " ".join(f"-c {name}={value}" for name, value in sorted(self.limits.items()))
        return target.environment() | ({"PGOPTIONS": lifted} if lifted else {})


def feed(
    task: RestoreTask,
    artifact: ManifestArtifact,
    stream: Iterator[bytes],
    target: Target,
    given: Given,
    context: Context,
    progress: Progress,
) -> None:
    """Restore the stream of a dump. `sql` and `custom` are one transaction: ended early, they change nothing.

    But for a script with large objects: pg_dump writes a COMMIT of its own after them, with only indexes, constraints
    and the like still to come.
    """
    where = f"--dbname={target.conninfo()}"
    if stages(task, artifact):
        sessions = ONE if task.mode is RestoreMode.INTO else f"--jobs={task.jobs}"
        command = [*PG_RESTORE, sessions, *PARTS[task.content], where]
        _restore_staged(task, artifact, stream, command, given, target, context, progress)
    elif artifact.format == Format.SQL:
        script = chain([restricted()], without_commands(stream, given.schemas))
        feed_tool([*PSQL, where], script, context.stop, progress, given.environment(target))
    else:
        listing = entries.Listing(context.stop)
        listed = listing.of(stream)
        only = entries.of_tables(task.tables, listing.again)
        use = entries.chosen(listed, given.schemas, context.places.run / LIST_FILE, only)
        command = [*PG_RESTORE, ONE, *PARTS[task.content], *use, where]
        feed_tool(command, listing.whole(stream), context.stop, progress, given.environment(target))


def stages(task: RestoreTask, artifact: ManifestArtifact) -> bool:
    """Tell whether the dump is laid out in the scratch volume, whole, before a tool sees any of it."""
    return artifact.format == Format.DIRECTORY or (artifact.format == Format.CUSTOM and task.jobs > 1)


def restricted() -> bytes:
    r"""Return the line that makes psql take no command any more but the `\unrestrict` of a key that nobody else knows.

    A psql that does not know it ends here, before anything was done.
    """
    return f"\\restrict {secrets.token_hex(32)}\n".encode()


def _restore_staged(
    task: RestoreTask,
    artifact: ManifestArtifact,
    stream: Iterator[bytes],
    command: list[str],
    given: Given,
    target: Target,
    context: Context,
    progress: Progress,
) -> None:
    """Restore from the scratch volume, where each of several sessions finds its place by itself.

    Of the stream, which is not known to be the backup's before its end, no tool sees anything until then.
    """
    instead = ", or leave options.jobs out" if artifact.format == Format.CUSTOM else ""
    Room(context.places.scratch, task.scratch_bytes, instead).require(artifact.uncompressed_bytes)
    folder = context.places.scratch / ARCHIVE_FOLDER
    with ExitStack() as stack:
        stack.enter_context(removed_after(folder))
        archive = staging.stage(Format(artifact.format), stream, folder)
        progress.phase = RESTORING
        listing = entries.of_archive(archive, context.stop)
        only = entries.of_tables(task.tables, partial(entries.of_archive, archive, context.stop))
        listed = entries.chosen(listing, given.schemas, context.places.run / LIST_FILE, only)
        whole = [*command, *listed, str(archive)]
        if ONE not in command:
            stack.enter_context(landing.told_of_a_part(task, target))
        tool = stack.enter_context(Tool(whole, environment=given.environment(target)))
        stack.enter_context(context.stop.calling(tool.kill))
        code = tool.wait()
        context.stop.check()
        check(tool, code, Reason.RESTORE_FAILED, RESTORING)
