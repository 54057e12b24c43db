"""A MySQL or MariaDB database as tasks use it."""

import re
from collections.abc import Iterator
from copy import copy
from dataclasses import replace

from holdfast.api.database import Database, Engine
from holdfast.api.policy import Dump, Format
from holdfast.contract.globals import Globals
from holdfast.contract.manifest import Manifest, ManifestArtifact
from holdfast.contract.task import Beside, RestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines import landing, tools
from holdfast.runner.engines.mysql import (
    accounts,
    arrived,
    connection,
    definitions,
    driver,
    dumps,
    giving,
    grants,
    history,
    looking,
    needs,
    replacing,
    restore,
    room,
    scripts,
    server,
    target_needs,
    target_session,
)
from holdfast.runner.engines.mysql.code import Definition
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.flavour import ALL_ROWS, numbers
from holdfast.runner.engines.mysql.only_target import Definitions
from holdfast.runner.engines.mysql.schemas import Schema
from holdfast.runner.engines.mysql.server import Server
from holdfast.runner.engines.protocol import Came, Landing, Look, Overrides, Ready, Switched
from holdfast.runner.engines.scripts import Script
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress
from holdfast.sentences import few

NAMED = 10  # tables that a warning names


class MySQL:
    """See engine.Source."""

    def __init__(self, database: Database, context: Context, overrides: Overrides) -> None:
        self._context, self._database = context, database
        said = connection.resolve(database, context.places)
        self._target = replace(
            said,
            host=overrides.host or said.host,
            port=overrides.port or said.port,
            database=overrides.database or said.database,
        )
        context.log.mask.tell(said.host)
        self._as_bytes = False
        self._asleep: set[str] | None = None
        self._following: list[Definition] = []
        self._dumped = said.database
        self._defined: Definitions = {}
        self._live = self._target.database
        self.warnings = list(said.warnings)

    def __str__(self) -> str:
        return str(self._target)

    @property
    def schema(self) -> Schema:
        """The database, as it is replaced."""
        return Schema(self._target, self._context.stop)

    def at(self, target: Target, asleep: set[str], following: list[Definition]) -> "MySQL":
        """Return another database of the server, whose warnings are this one's. Its events are put to sleep.

        `following` gets the rights that are to be given when it takes this one's place.
        """
        other = copy(self)
        vars(other).update(_target=target, _asleep=asleep, _following=following)
        return other

    def validate(self, *, with_globals: bool | None = None) -> Ready:
        """See engine.Source. Raises ToolTooOld where the server's major version is newer than the tool's."""
        flavour = self._target.flavour
        found = server.inspect(self._target, self._context.stop)
        tool_version = version(flavour.dump)
        self._require_new_enough(tool_version, found.version)
        self._require_sight(found)
        self._require_all_rows(found)
        self._as_bytes = bool(found.holey) and not found.typed
        self.warnings += shortcomings(found, flavour.dump)
        needed, warnings = needs.found(found.beside, self._target.database)
        self.warnings += warnings
        histories, warnings = history.read(self._target, found.histories, self._context.stop)
        self.warnings += warnings
        beside = None
        if with_globals is not False:
            beside, warnings = accounts.read(self._target, self._context.stop, asked_for=with_globals is True)
            self.warnings += warnings
        return Ready(
            host=self._target.host,
            database=self._target.database,
            server_version=f"{flavour.name} {found.version}",
            server_major=numbers(found.version)[0],
            database_size=found.database_size,
            tool=flavour.dump,
            tool_version=f"{flavour.dump} {tool_version}",
            migrations=histories,
            needs=needed,
            globals=beside,
        )

    def dumping(self, dump: Dump, ready: Ready, scratch_bytes: int | None) -> dumps.StreamedDump:  # noqa: ARG002
        """See engine.Source. Raises InvalidTask for a format that only pg_dump has."""
        if dump.format is not Format.SQL:
            raise HoldfastError(
                Reason.INVALID_TASK,
                f"{self._target.flavour.name} has no dump of the format {dump.format}",
                "set dump.format to sql",
            )
        return dumps.StreamedDump(self._target, self._context, self.warnings, as_bytes=self._as_bytes)

    def look(self) -> Look:
        """See engine.Source."""
        found, warnings = looking.look(self._target, self._context.stop)
        self.warnings += warnings
        return found

    def require_empty(self) -> None:
        """See engine.Source."""
        there = server.user_objects(self._target, self._context.stop)
        if there:
            raise HoldfastError(
                Reason.TARGET_NOT_EMPTY,
                f"{self} is not empty: it has {len(there)} tables, views, routines or events, such as "
                f"{', '.join(there[:3])}",
                "restore into a new, empty database (CREATE DATABASE name), or with mode Replace or Into; "
                f"{landing.LEFT}",
            )

    def require_needs(self, manifest: Manifest) -> None:
        """See engine.Source. What the restore's user may set of the empty database itself is set. Raises DiskFull."""
        self._dumped = manifest.database.name
        self.warnings += room.require(self._target, manifest, self._context.stop)
        self.warnings += target_needs.require(self._target, manifest.needs or [], self._context.stop)

    def restore(
        self,
        task: RestoreTask,
        artifact: ManifestArtifact,  # noqa: ARG002 - there is only one format
        stream: Iterator[bytes],
        progress: Progress,
    ) -> None:
        """See engine.Source."""
        session = target_session.lifted(self._target, self._context.stop)
        with landing.told_of_a_part(task, self):
            restore.feed(
                stream, self._target, self._dumped, session, self._context, progress, self._asleep, self._defined
            )

    def stages(self, task: RestoreTask, artifact: ManifestArtifact) -> bool:  # noqa: ARG002
        """See engine.Source."""
        return False

    def require_served(self, task: RestoreTask, manifest: Manifest) -> None:  # noqa: ARG002
        """See engine.Source. Of a script, only all of it can be restored; nothing in it has an owner."""
        landing.require_all_of_it(task)
        landing.require_all_given(task)
        landing.require_no_owner(task)

    def make(self, manifest: Manifest) -> None:
        """See engine.Source. It gets the character set and collation of the one that was dumped."""
        replacing.made(self.schema, *target_needs.collation(manifest.needs or []))

    def came(self, manifest: Manifest, task: RestoreTask) -> Came:  # noqa: ARG002
        """See engine.Source."""
        tool, dump, stop = self._target.flavour.client, self._target.flavour.dump, self._context.stop
        came = arrived.look(self._target, manifest, stop, f"{tool} {version(tool)}", self.warnings)
        versions = f"{dump} {version(dump)}", came.server_version or ""
        seen = definitions.compared(self._target, manifest, self._defined, versions, stop)
        self.warnings += seen.warnings
        return replace(came, faults=[*came.faults, *seen.faults], looked_at=[*came.looked_at, *seen.looked_at])

    def require_scripts(self) -> None:
        """See engine.Source. Raises AuthenticationFailed of a user whom the client logs in, and the driver cannot."""
        self.schema.reach()  # so that a server which asks for the password in full has it from the client already
        driver.connect(self._target, self._password(), self._context.stop, None).close()

    def run_script(self, script: Script) -> int:
        """See engine.Source. Statements that define something commit what was before them."""
        password, stop = self._password(), self._context.stop
        return scripts.run(self._target, password, script, self._live, stop, self.warnings)

    def _password(self) -> str:
        return connection.password(self._database, self._context.places)

    def giving(self, task: RestoreTask, found: Globals | None) -> landing.NothingGiven | giving.Giving:
        """See engine.Source."""
        if found is None:
            return landing.NothingGiven()
        stop, following = self._context.stop, self._following
        return giving.Giving(self._target, self._live, task.globals, found, following, self.warnings, stop)

    def beside(self, names: Beside, manifest: Manifest) -> Landing:  # noqa: ARG002
        """See engine.Source."""
        return replacing.Replacing(self, names)

    def swap_back(self, kept: str, old: str) -> Switched:
        """See engine.Source."""
        return replacing.swapped_back(self.schema, kept, old, self.warnings)

    def drop(self, names: list[str]) -> list[str]:
        """See engine.Source."""
        return replacing.dropped(self.schema, names)

    def _require_new_enough(self, tool_version: str, server_version: str) -> None:
        flavour = self._target.flavour
        tool, there = numbers(tool_version), numbers(server_version)
        if tool[0] < there[0]:
            raise HoldfastError(
                Reason.TOOL_TOO_OLD,
                f"{flavour.dump} {tool_version} is older than the server ({flavour.name} {server_version}) and could "
                "leave data out",
                f"add the key {flavour.engine}-{there[0]} to runner.images in the chart's values",
                server_major=there[0],
            )
        if tool < there:
            self.warnings.append(
                f"the server ({flavour.name} {server_version}) is newer than {flavour.dump} {tool_version}: the dump "
                "may lack what only the newer version has"
            )

    def _require_all_rows(self, found: Server) -> None:
        """See that the server does not cut the dump: mysqldump lifts such a limit, mariadb-dump cannot be told to."""
        target = self._target
        if target.flavour.engine is Engine.MARIADB and found.select_limit < ALL_ROWS:
            raise HoldfastError(
                Reason.DUMP_FAILED,
                f"sql_select_limit of {target} is {found.select_limit}, so {target.flavour.dump} would write at most "
                "that many rows of each table",
                "SET GLOBAL sql_select_limit = DEFAULT, and check the server's init_connect; set the limit only in "
                "the sessions that need it",
            )

    def _require_sight(self, found: Server) -> None:
        target = self._target
        lacking = grants.missing(found.grants, target.database, target.flavour.engine, numbers(found.version))
        if lacking:
            user = target.grantee(found.user)
            raise HoldfastError(
                Reason.DUMP_FAILED,
                f"the user of {target} has no right to see the whole database, and {target.flavour.dump} leaves out "
                "what the user cannot see",
                " ".join(f"GRANT {grant} TO {user};" for grant in lacking),
            )


def shortcomings(found: Server, tool: str) -> list[str]:
    """Say what of this database no dump of the engine's own tool holds as it is."""
    floats = [name for name, kind in found.inexact if kind == "float"]
    values = [name for name, kind in found.inexact if kind != "float"]
    holey = [f"{name} ({charset})" for name, charset in found.holey] if found.typed else []
    kept = "".join(
        f"Holdfast would dump all bytes exactly if the database had no column of type {kind} ({name})"
        for name, kind in found.typed
    )
    tables = [f"{name} ({engine})" for name, engine in found.not_transactional]
    said = (
        (
            tables,
            (
                "not consistent: {}: their storage engine has no transactions, so these tables may be from another "
                "moment "
                "than the rest"
            ),
        ),
        (floats, "not exact: {}: {tool} writes only six digits of a FLOAT; a DOUBLE keeps all digits"),
        (values, "not exact: {}: a '?' in a value may replace a character above U+FFFF, which {tool} loses"),
        (
            holey,
            "not exact: {}: a byte that the column's character set does not define is dumped as '?'. " + kept,
        ),
    )
    return [words.format(few(names, NAMED), tool=tool) for names, words in said if names]


def version(name: str) -> str:
    """Return a tool's version, from `mysqldump  Ver 9.7.0 for …` or `mariadb-dump from 11.8.3-MariaDB, client …`."""
    said = tools.asked_version(name)
    found = re.search(r"(?:Ver|from) (\d+\.\d+[^\s,]*)", said)
    if found is None:
        raise HoldfastError(Reason.TOOL_NOT_FOUND, f"{name} --version says {said!r}", "use Holdfast's runner images")
    return found[1]
