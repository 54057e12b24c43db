"""MySQL and MariaDB servers in containers, asked by their own client programs; and what is in a database, hashed."""

import hashlib
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.runner.containers import docker, pause, remove, unpause, wait_for
from tests.integration.runner.servers import PASSWORD, USER
from tests.stack import sample
from tests.stack.fingerprint import Fingerprint

from holdfast.api.database import Database
from holdfast.contract.task import BackupTask

if TYPE_CHECKING:
    from tests.integration.runner.world import World

STACK = Path(sample.__file__).parent
OWNER = "app"  # of the sample's views, routines, triggers and events
RESTORER = "restorer"
RESTORER_SECRET = {"username": RESTORER, "password": PASSWORD}
SOCKET = "/run/mysqld/mysqld.sock"
WITHOUT_TLS = "--loose-skip-ssl"  # within the container; MySQL's client does not know it, and needs it not
MARK = "=== "
_LIST = """
select 'table', table_name, table_type, '' from information_schema.tables where table_schema = {0}
union all select lower(routine_type), routine_name, '', '' from information_schema.routines where routine_schema = {0}
union all select 'trigger', trigger_name, '', action_order from information_schema.triggers where trigger_schema = {0}
union all select 'event', event_name, '', '' from information_schema.events where event_schema = {0};
select 'column', table_name, column_name, data_type from information_schema.columns where table_schema = {0}
order by table_name, ordinal_position;
"""
_APPROXIMATE = ("float", "double")
_EXACT = ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "bit", "year")


@dataclass(frozen=True)
class Family:
    """What differs between the two in tests."""

    engine: str
    runner: str
    server: str
    client: str
    dump: str
    variables: str
    routines: tuple[str, ...]
    """What shows all routines of a database, and views that call them."""
    definers: str
    """What lets a user make objects of other users."""
    accounts: tuple[str, ...]
    """What shows which accounts and roles there are, besides what both families have."""


MYSQL = Family(
    "mysql", "holdfast-runner-mysql:9", "holdfast-test-mysql:9", "mysql", "mysqldump", "MYSQL",
    ("SHOW_ROUTINE ON *.*",), "SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER, SYSTEM_USER ON *.*",
    ("SELECT ON mysql.role_edges", "SELECT ON mysql.default_roles", "SELECT (account_locked) ON mysql.user"),
)  # fmt: skip
MARIADB = Family(
    "mariadb", "holdfast-runner-mariadb:11", "holdfast-test-mariadb:11", "mariadb", "mariadb-dump", "MARIADB",
    ("SHOW CREATE ROUTINE ON {}.*", "EXECUTE ON {}.*"), "SET USER ON *.*", ("SELECT ON mysql.roles_mapping",),
)  # fmt: skip


class MySQLServer:
    """One server; its root is reached from within, without a password."""

    def __init__(
        self, network: str, name: str, family: Family, *arguments: str, tls: Path | None = None, volume: str = ""
    ) -> None:
        """`volume` is where its data lie, anonymous and gone with it; else they are the container's own."""
        self.name, self.family = name, family
        mounts = ["--volume", f"{tls}:/tls:ro"] if tls else []
        mounts += ["--volume", volume] if volume else []
        docker(
            "run", "--detach", "--name", name, "--network", network, "--network-alias", name, *mounts,
            "--env", f"{family.variables}_ROOT_PASSWORD=superuser", family.server,
            "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", "--innodb-doublewrite=0",
            "--log-bin-trust-function-creators=1", *arguments,
        )  # fmt: skip
        wait_for(self.answers, f"{family.engine} in {name}", 90)
        for user in (USER, OWNER, RESTORER):
            self.create_user(user)

    def answers(self) -> bool:
        done = subprocess.run(
            ["docker", "exec", self.name, self.family.client, "--no-defaults", "--host=127.0.0.1", "--user=nobody",
             WITHOUT_TLS],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return "Access denied" in done.stderr  # TCP opens only when all is done

    def sql(self, script: str, database: str = "") -> str:
        """Run SQL as root within the server; return what it printed, tab separated."""
        return docker(
            "exec", "--interactive", self.name, self.family.client, "--no-defaults", f"--socket={SOCKET}",
            WITHOUT_TLS, "--user=root", "--default-character-set=utf8mb4", "--batch", "--skip-column-names",
            "--binary-mode", f"--database={database}", stdin=script,
        )  # fmt: skip

    @contextmanager
    def session(self, script: str, database: str) -> Iterator[None]:
        """Have a session of root's, which ends in a sleep, within the block."""
        command = [
            "docker", "exec", self.name, self.family.client, "--no-defaults", f"--socket={SOCKET}", "--user=root",
            f"--database={database}", f"--execute={script}",
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            wait_for(lambda: self._sleeping(database), "a session that sleeps")
            yield
            for number in self._sleeping(database):
                self.sql(f"kill {number}")
            process.wait(timeout=30)

    def _sleeping(self, database: str) -> list[str]:
        question = "select id from information_schema.processlist where db = {} and info like 'select sleep%'"
        return self.sql(question.format(literal(database))).split()

    def create_user(self, user: str, password: str = PASSWORD, how: str = "by") -> None:
        self.sql(f"create user {literal(user)}@'%' identified {how} {literal(password)}")

    def grant(self, rights: str, user: str = USER) -> None:
        self.sql(f"grant {rights} to {literal(user)}@'%'")

    def let_dump(self, database: str, user: str = USER) -> None:
        """Grant what docs/how-to/back-up-mysql.md says, and no more."""
        name = pattern(database)
        self.grant(f"SELECT, SHOW VIEW, TRIGGER, EVENT ON {name}.*", user)
        for right in self.family.routines:
            self.grant(right.format(name), user)

    def let_restore(self, database: str) -> None:
        """Likewise: what a restore of objects that have other definers needs."""
        for user in (RESTORER, OWNER):  # definers need what they had where the dump comes from
            self.grant(f"ALL ON {pattern(database)}.*", user)
        self.grant(self.family.definers, RESTORER)

    def let_see_accounts(self, user: str) -> None:
        """Likewise: what a backup of accounts and grants needs."""
        tables = ("db", "tables_priv", "columns_priv", "procs_priv")
        users = "SELECT (Host, User, Super_priv, Process_priv, File_priv, Create_user_priv) ON mysql.user"
        self.grant_each([*(f"SELECT ON mysql.{table}" for table in tables), users, *self.family.accounts], user)

    def let_give(self, database: str) -> None:
        """Likewise: what a restore of accounts and grants needs."""
        self.let_see_accounts(RESTORER)
        names = (pattern(database), pattern(database + "_")[:-1] + "%`")
        to = f"{literal(RESTORER)}@'%'"
        self.sql("".join(f"grant all on {name}.* to {to} with grant option;" for name in names))
        roles = ["ROLE_ADMIN, SHOW_ROUTINE ON *.*"] if self.family.engine == "mysql" else []
        self.grant_each(["CREATE USER ON *.*", *roles], RESTORER)

    def grant_each(self, rights: Iterable[str], user: str) -> None:
        self.sql("".join(f"grant {each} to {literal(user)}@'%';" for each in rights))

    def logs_in(self, user: str, password: str) -> bool:
        """Tell whether a password is the user's."""
        done = subprocess.run(
            ["docker", "exec", self.name, self.family.client, "--no-defaults", "--host=127.0.0.1", f"--user={user}",
             f"--password={password}", WITHOUT_TLS, "--execute=select 1"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or "Access denied" in done.stderr, done.stderr
        return done.returncode == 0

    def let_replace(self, database: str) -> None:
        """Likewise, for mode Replace: also what is beside it, under names that begin with its own."""
        self.let_restore(database)
        for user in (RESTORER, OWNER):
            self.grant(f"ALL ON {pattern(database + '_')[:-1]}%`.*", user)
        if self.family.engine == "mysql":
            self.grant("SHOW_ROUTINE ON *.*", RESTORER)

    def create(self, database: str) -> None:
        self.sql(f"create database {identifier(database)}")

    def drop(self, database: str) -> None:
        self.sql(f"drop database {identifier(database)}")

    def create_sample(self, database: str) -> None:
        """Create a database with all that a dump must carry; the runner's user may dump it."""
        self.create(database)
        self.grant(f"ALL ON {pattern(database)}.*", OWNER)
        self.sql((STACK / "sample_of_both.sql").read_text(), database)
        self.sql((STACK / f"sample_{self.family.engine}.sql").read_text(), database)
        self.let_dump(database)

    def schemas(self, like: str) -> list[str]:
        """Return the databases whose names begin so."""
        rows = self.sql(
            f"select schema_name from information_schema.schemata where schema_name like '{like}%' order by 1"
        )
        return rows.split()

    def database(self, name: str, **connection: Any) -> Database:
        """Say where a database of this server is, as a policy does."""
        fields = {"host": self.name, "secretName": "orders-db", "tls": {"mode": "prefer"}} | connection
        return Database.model_validate({"engine": self.family.engine, "name": name, "connection": fields})

    def backup(self, world: "World", database: str = "shop", **connection: Any) -> BackupTask:
        """Make the task of a new backup of a database here."""
        return world.backup().model_copy(update={"database": self.database(database, **connection)})

    def fingerprint(self, database: str) -> Fingerprint:
        """Return what is in a database, by name, hashed; the database's own name is not part of it."""
        rows = self.sql(_LIST.format(literal(database))).splitlines()
        listed = [[unescaped(value) for value in row.split("\t")] for row in rows]
        columns: dict[str, list[str]] = {}
        for _, table, column, kind in (row for row in listed if row[0] == "column"):
            columns.setdefault(table, []).append(_as_text(column, kind))
        questions = {}
        for what, name, kind, options in (row for row in listed if row[0] != "column"):
            if what == "table" and kind != "VIEW":
                history = " for system_time all" if kind == "SYSTEM VERSIONED" else ""
                texts = ", ".join(columns[name])
                questions[f"table {name}"] = f"select concat_ws('|', {texts}) from {identifier(name)}{history}"
            shown = {"VIEW": "view", "SEQUENCE": "sequence"}.get(kind, what)
            questions[f"definition of {shown} {name} {options}"] = f"show create {shown} {identifier(name)}"
        script = "".join(f"select {literal(MARK + name)};\n{question};\n" for name, question in questions.items())
        return dict(map(_hashed, self.sql(script, database).split(MARK)[1:]))

    def pause(self) -> None:
        """Freeze the server: a dump then waits in the middle for as long as a test needs."""
        pause(self.name)

    def unpause(self) -> None:
        unpause(self.name)

    def remove(self) -> None:
        remove(self.name)


def _as_text(column: str, kind: str) -> str:
    name = identifier(column)
    if kind in _APPROXIMATE:
        text = f"cast({name} + 0e0 as char)"  # all digits: of a FLOAT, only six are shown
    elif kind in _EXACT:
        text = f"cast({name} + 0 as char)"
    else:
        text = f"hex({name})"
    return f"coalesce({text}, 'NULL')"


def _hashed(answer: str) -> tuple[str, tuple[int, str]]:
    """Hash what came of a question; a trigger's definition ends in when it was made.

    MariaDB quotes the name of a trigger's table once the table was renamed.
    """
    name, _, text = answer.partition("\n")
    if name.startswith("definition of trigger"):
        text = re.sub(r"\bon `?(\w+)`? for each row", r"on \1 for each row", text, flags=re.IGNORECASE)
    rows = sorted(re.sub(r"\t\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d\d$", "", row) for row in text.splitlines())
    return name, (len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest())


def unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t", "0": "\0"}.get(found[1], found[1]), value)


def literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def identifier(text: str) -> str:
    return "`" + text.replace("`", "``") + "`"


def pattern(database: str) -> str:
    r"""Return a database's name as a GRANT takes it: there, `_` and `%` stand for other characters."""
    return identifier(re.sub(r"([_%\\])", r"\\\1", database))
