"""Looks at what a restore has brought: the rows of each table of the manifest, views that cannot be read."""

from collections.abc import Sequence

from holdfast.contract.manifest import Manifest, ManifestTable
from holdfast.runner.engines.mysql import session
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.grants import quoted
from holdfast.runner.engines.protocol import Came
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line

_TABLES = """
select 'version', version(), ''
""", """
select 'table', table_name, table_type from information_schema.tables where table_schema = database() order by 2
"""  # fmt: skip
_NO_DEFINER = "does not exist"  # of MySQL and MariaDB alike; that he is missing was told before


def look(target: Target, manifest: Manifest, stop: Stop, tool_version: str, warnings: list[str]) -> Came:
    """See protocol.Source.came. Names come from the server: of the manifest's, only those that it has are counted."""
    listed = session.run(target, _TABLES, stop, "listing its tables")
    version = next(row[1] for row in listed if row[0] == "version")
    kinds = {row[1]: row[2] for row in listed if row[0] == "table"}
    wanted = _wanted([table.name for table in manifest.tables or []], list(kinds))
    views = [name for name, kind in kinds.items() if kind == "VIEW"]
    rows = _counted(target, {name: kinds[name] for name in wanted}, stop)
    warnings += _analysed(target, [name for name in wanted if kinds[name] != "VIEW"], stop)
    return Came(
        tables=[ManifestTable(name=said, rows=rows[name]) for name, said in wanted.items()],
        faults=_unreadable(target, views, stop),
        looked_at=["views"] if views else [],
        server_version=f"{target.flavour.name} {version}",
        tool_version=tool_version,
    )


def _wanted(said: Sequence[str], there: Sequence[str]) -> dict[str, str]:
    """Return the server's name of each table, with the manifest's: a server may write all of them in small letters."""
    small = {name.lower(): name for name in there}
    exact = set(there)
    found = {name: name if name in exact else small.get(name.lower()) for name in said}
    return {server: name for name, server in found.items() if server is not None}


def _counted(target: Target, kinds: dict[str, str], stop: Stop) -> dict[str, int]:
    if not kinds:
        return {}
    names = list(kinds)
    history = {"SYSTEM VERSIONED": " for system_time all"}  # the dump has it, too
    questions = [
        f"select {number}, count(*) from {quoted(name)}{history.get(kinds[name], '')}"  # noqa: S608 - quoted
        for number, name in enumerate(names)
    ]
    return {names[int(row[0])]: int(row[1]) for row in session.run(target, questions, stop, "counting its rows")}


def _analysed(target: Target, names: Sequence[str], stop: Stop) -> list[str]:
    """Have the server's planner know what the tables hold; a fault of that is none of the restore's."""
    if not names:
        return []
    rows = session.run(target, [f"ANALYZE LOCAL TABLE {', '.join(map(quoted, names))}"], stop, "analysing its tables")
    return [f"{row[0]} was not analysed: {one_line(row[3], 200)}" for row in rows if row[2].lower() == "error"]


def _unreadable(target: Target, views: Sequence[str], stop: Stop) -> list[str]:
    """Say which views the server cannot open. Of a definer who is not there, a warning was given before."""
    if not views:
        return []
    rows = session.run(target, [f"CHECK TABLE {', '.join(map(quoted, views))}"], stop, "looking at its views")
    told = [row for row in rows if row[2].lower() == "error" and len(row) > 3]
    definers = {row[0] for row in told if "definer" in row[3] and _NO_DEFINER in row[3]}
    return [f"view {row[0]}: {one_line(row[3], 200)}" for row in told if row[0] not in definers]
