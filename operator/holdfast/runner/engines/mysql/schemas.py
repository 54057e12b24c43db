"""The databases of a replacement on their server: whether they are there, which tables they have, made and dropped."""

from dataclasses import dataclass, replace

from holdfast.runner.engines.mysql import code, server, session
from holdfast.runner.engines.mysql.code import Definition
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.grants import quoted
from holdfast.runner.engines.mysql.session import literal
from holdfast.runner.pod.stop import Stop

PENDING, KEPT = "holdfast_pending", "holdfast_kept"
"""Tables of definitions: of what is to be replaced, and of what was."""


@dataclass(frozen=True)
class Schema:
    """One database of the target's server."""

    target: Target
    stop: Stop

    def beside(self, name: str) -> "Schema":
        """Return another one on the same server."""
        return Schema(replace(self.target, database=name), self.stop)

    @property
    def name(self) -> str:
        """Its name."""
        return self.target.database

    def run(self, statements: list[str], doing: str, *, whole: bool = False) -> list[list[str]]:
        """Run statements within it."""
        return session.run(self.target, statements, self.stop, doing, whole=whole)

    def _outside(self, statements: list[str], doing: str) -> list[list[str]]:
        return session.run(replace(self.target, database=""), statements, self.stop, doing)

    def reach(self) -> None:
        """Connect, whether or not it is there. Raises the errors of the connection, and of one in the clear."""
        server.ask(replace(self.target, database=""), "", self.stop)

    def is_there(self) -> bool:
        """Tell whether the server has it."""
        query = f"select 1 from information_schema.schemata where schema_name = {literal(self.name)}"  # noqa: S608
        return bool(self._outside([query], "looking for a database"))

    def make(self, character_set: str | None, collation: str | None) -> None:
        """Make it, where it is not there."""
        alike = f" CHARACTER SET {character_set} COLLATE {collation}" if character_set and collation else ""
        self._outside([f"CREATE DATABASE IF NOT EXISTS {quoted(self.name)}{alike}"], "making a database")

    def drop(self) -> None:
        """Drop it, with all that it has."""
        self._outside([f"DROP DATABASE IF EXISTS {quoted(self.name)}"], "dropping a database")

    def charset(self) -> tuple[str, str]:
        """Return its character set and its collation, which what is made within it takes over."""
        rows = self.run(["select @@character_set_database, @@collation_database"], "asking for its collation")
        return rows[0][0], rows[0][1]

    def tables(self) -> list[str]:
        """Return its tables and sequences; none where it is not there."""
        query = (
            "select table_name from information_schema.tables "
            "where table_schema = database() and table_type <> 'VIEW' order by 1"
        )
        return [row[0] for row in self.run([query], "listing its tables")] if self.is_there() else []

    def code(self) -> list[Definition]:
        """Return what it has besides tables."""
        return code.read(self.target, self.stop)

    def pack(self, table: str, definitions: list[Definition]) -> None:
        """Keep definitions in a table of it."""
        rows = ", ".join(f"({n}, x'{line.encode().hex()}')" for n, line in enumerate(code.packed(definitions)))
        self.run(
            [
                f"DROP TABLE IF EXISTS {table}",
                f"CREATE TABLE {table} (n int PRIMARY KEY, definition longblob NOT NULL) ENGINE = InnoDB",
                *([f"INSERT INTO {table} VALUES {rows}"] if rows else []),  # noqa: S608 - our own
            ],
            "keeping its views and routines",
        )

    def unpack(self, table: str) -> list[Definition]:
        """Return the definitions that are kept in a table of it."""
        rows = self.run([f"select definition from {table} order by n"], "reading what was kept")  # noqa: S608
        return code.unpacked(row[0] for row in rows)
