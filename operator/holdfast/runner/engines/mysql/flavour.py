"""What differs between MySQL and MariaDB: the programs, how they are told of TLS, and a few flags of the dump."""

import re
from dataclasses import dataclass

from holdfast.api.database import Engine, TLSMode


@dataclass(frozen=True)
class Flavour:
    """One of the two families. Each is asked, dumped and restored by its own client programs alone."""

    engine: Engine
    name: str
    client: str
    dump: str
    tls: dict[TLSMode, tuple[str, ...]]
    """The client's arguments for a mode."""
    connects: tuple[str, ...]
    """Arguments of every connection besides."""
    dumps: tuple[str, ...]
    """The dump tool's own flags, besides those that both have."""
    restores: tuple[str, ...]
    """The client's own flags for a restore: a dump is SQL, and no command of the client's."""
    lifted: str
    """What a restore's session sets: an administrator's limits for everyday sessions are not meant for it."""
    session: str
    """Statements before the questions to a server."""
    patience: str
    """Statements before a question to a user's table, which a migration may have locked: it is not waited for."""

    def of(self, server_version: str) -> bool:
        """Tell whether a server that calls its version so is of this family."""
        return ("mariadb" in server_version.lower()) is (self.engine is Engine.MARIADB)


ALL_ROWS = 18446744073709551615
_LIFTED = f"sql_select_limit = {ALL_ROWS}, sql_big_selects = 1, lock_wait_timeout = 31536000, wait_timeout = 86400"
_MYSQLS = f"set session max_execution_time = 0, {_LIFTED}"
_MARIADBS = f"set session max_statement_time = 0, {_LIFTED}"

MYSQL = Flavour(
    engine=Engine.MYSQL,
    name="MySQL",
    client="mysql",
    dump="mysqldump",
    tls={
        TLSMode.DISABLE: ("--ssl-mode=DISABLED",),
        TLSMode.PREFER: ("--ssl-mode=PREFERRED",),
        TLSMode.REQUIRE: ("--ssl-mode=REQUIRED",),
        TLSMode.VERIFY_CA: ("--ssl-mode=VERIFY_CA",),
        TLSMode.VERIFY_FULL: ("--ssl-mode=VERIFY_IDENTITY",),
    },
    # Without TLS, caching_sha2_password encrypts the password with a key of the server's.
    connects=("--get-server-public-key",),
    # Of masking policies it would dump a DROP, too; and without the right to read them it says an error on any server.
    dumps=(
        "--set-gtid-purged=OFF",
        "--column-statistics=0",
        "--loose-skip-masking-policies",
        f"--init-command={_MYSQLS}",
    ),
    restores=("--commands=OFF",),
    lifted=f"{_MYSQLS}, autocommit = 1, transaction_read_only = 0",
    session=f"{_MYSQLS}, information_schema_stats_expiry = 0;",
    patience=f"{_MYSQLS}; set session lock_wait_timeout = 10, max_execution_time = 10000;",
)
MARIADB = Flavour(
    engine=Engine.MARIADB,
    name="MariaDB",
    client="mariadb",
    dump="mariadb-dump",
    # Its `--ssl` alone takes a connection in the clear where the server offers nothing else: see server.py for require.
    tls={
        TLSMode.DISABLE: ("--skip-ssl",),
        TLSMode.PREFER: ("--ssl", "--skip-ssl-verify-server-cert"),
        TLSMode.REQUIRE: ("--ssl", "--skip-ssl-verify-server-cert"),
        TLSMode.VERIFY_CA: ("--ssl", "--ssl-verify-server-cert"),  # of a URL: it checks more than was asked for
        TLSMode.VERIFY_FULL: ("--ssl", "--ssl-verify-server-cert"),
    },
    connects=(),
    # The history of tables with system versioning: else only their present rows. Of the limits, it lifts
    # max_statement_time by itself, and cannot be told to lift others: see source.py.
    dumps=("--dump-history",),
    restores=("--sandbox",),
    lifted=f"{_MARIADBS}, autocommit = 1, tx_read_only = 0, idle_transaction_timeout = 0",
    session=f"{_MARIADBS};",
    patience=f"{_MARIADBS}; set session lock_wait_timeout = 10, max_statement_time = 10;",
)
FLAVOURS = {flavour.engine: flavour for flavour in (MYSQL, MARIADB)}


def numbers(version: str) -> tuple[int, int]:
    """Return major and minor version of a server or tool, from `9.7.0-2` or `11.8.3-MariaDB-0+deb13u1`."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
