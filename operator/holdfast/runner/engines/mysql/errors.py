"""What the client programs say when something fails, mapped once to our reasons by the error's number.

Numbers below 2000 and above 3000 are the server's, 2000 to 2999 the client library's. Sentences differ between MySQL,
MariaDB and their versions, numbers do not: https://dev.mysql.com/doc/mysql-errors/9.7/en/.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from holdfast.api.database import Engine, TLSMode
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql.connection import Target

# `ERROR 1045 (28000): …` (client); `Got error: 1045: …`, `Error 2013: …` and `… (1044)` (dump tool)
_NUMBER = re.compile(r"ERROR (\d{4,5}) \(|[Ee]rror:? (\d{4,5}):|\((\d{4,5})\)(?= |$)")
_SYSTEM_ERROR = re.compile(r"\((\d{1,3})(?: \"[^\"]*\")?\)|system error: (\d{1,3})")
_TIMED_OUT = "110"


# Without either, a server says 2061 to a client that asks for no key, and 1045 to ours, which does.
_IN_THE_CLEAR = (
    "set connection.tls.mode to require or stricter, for which the server needs a certificate; or give the server RSA "
    "keys (caching_sha2_password_auto_generate_rsa_keys = ON) and restart it: a MySQL server with neither TLS nor RSA "
    "keys refuses every password of caching_sha2_password"
)


@dataclass(frozen=True)
class Case:
    """One kind of failed connection: its numbers, whether it may pass by itself, and what to do."""

    numbers: tuple[int, ...]
    reason: Reason
    passes: bool
    remedy: str


_TIMEOUT = Case(
    (),
    Reason.CONNECTION_TIMEOUT,
    True,
    "check host and port, and NetworkPolicies and firewalls on the way to the server: nothing answered",
)
CASES = (
    Case(
        (2005,),
        Reason.HOST_NOT_FOUND,
        True,
        "check connection.host: the name must be right, with its namespace (name.namespace.svc), and the Service must "
        "exist",
    ),
    Case(
        (2002, 2003, 2004),
        Reason.CONNECTION_REFUSED,
        True,
        "check that the server is running, that host and port are right, and that no NetworkPolicy blocks the "
        "connection",
    ),
    Case(
        (1053, 2006, 2012, 2013, 2055),
        Reason.CONNECTION_FAILED,
        True,
        "check whether the server is starting or stopping, and whether the port is right: the server, or a proxy "
        "before it, ended the connection",
    ),
    Case(
        (1040, 1203, 1226),
        Reason.CONNECTION_FAILED,
        True,
        "raise max_connections or the user's limit, or end idle connections: the server has no connection left for "
        "this user",
    ),
    Case(
        (1129,),
        Reason.CONNECTION_FAILED,
        False,
        "run mariadb-admin flush-hosts, or TRUNCATE TABLE performance_schema.host_cache: the server blocks this "
        "address after many failed connections",
    ),
    Case(
        (1130,),
        Reason.AUTHENTICATION_FAILED,
        False,
        "CREATE USER …@'%', or with the Pods' network instead of %: the server accepts no user from this address",
    ),
    Case(
        (1044,),
        Reason.AUTHENTICATION_FAILED,
        False,
        "check database.name, and GRANT the user rights on the database: without rights, the user cannot see whether "
        "the database exists",
    ),
    Case(
        (1045, 1698),
        Reason.AUTHENTICATION_FAILED,
        False,
        "check the user's name and password in the Secret, and that the server accepts the user from this address; a "
        "user with REQUIRE SSL needs connection.tls.mode require or stricter",
    ),
    Case(
        (1820, 1862, 3118, 3955, 4151),
        Reason.AUTHENTICATION_FAILED,
        False,
        "ALTER USER … ACCOUNT UNLOCK, or set a new password: the account is locked, or its password has expired",
    ),
    Case(
        (2061,),
        Reason.AUTHENTICATION_FAILED,
        False,
        _IN_THE_CLEAR,
    ),
    Case(
        (1251, 2054, 2059),
        Reason.AUTHENTICATION_FAILED,
        False,
        "ALTER USER … IDENTIFIED WITH caching_sha2_password (MySQL; version 9 has dropped mysql_native_password), or "
        "VIA mysql_native_password, ed25519 or parsec (MariaDB): the client does not have this user's authentication "
        "plugin",
    ),
    Case(
        (1049,),
        Reason.DATABASE_NOT_FOUND,
        False,
        "check database.name: it must be the exact name; SHOW DATABASES lists all",
    ),
    Case(
        (2026, 3159),
        Reason.TLS_FAILED,
        False,
        "check connection.tls: whether the server offers or requires TLS, whether the CA in caSecretName signed its "
        "certificate, and whether the certificate names this host",
    ),
    Case(
        (2007, 2027),
        Reason.CONNECTION_FAILED,
        False,
        "check host, port and database.engine: what answers there uses another protocol",
    ),
)
OTHER = Case((), Reason.CONNECTION_FAILED, False, "read the server's log: the message is the server's own")

# What a tool failed with after it was connected, and what helps: a dump and a restore alike,
_REMEDIES = {
    2020: "make the row smaller than 1 GiB, the largest that MySQL's protocol can carry",
    1153: "raise the server's max_allowed_packet to at least twice the size of the largest row",
    2006: (
        "raise the server's max_allowed_packet to at least twice the size of the largest row, the most frequent "
        "cause; if that does not help, read the server's log: the server ended the connection"
    ),
}
# ... a dump,
_DUMP_REMEDIES = {
    1142: "grant the user what the message names; docs/how-to/back-up-mysql.md lists all rights that a backup needs",
    1143: "grant the user SELECT on the whole table: a dump without some columns would not be complete",
    1356: "correct, drop or redefine the view: it uses an object that does not exist, or that its definer may not see",
    1449: "create the definer of the view or routine as a user, or redefine the object: this server has no such user",
    1412: "create another backup while no migration runs: somebody altered a table during the dump",
    1146: "create another backup while no migration runs: somebody dropped or renamed a table during the dump",
    1205: "find the session that holds the lock with SHOW PROCESSLIST and end it, then create another backup",
    2013: "read the server's log, then create another backup: the server ended the connection",
    2026: "read the server's log, then create another backup: the server ended the connection",  # MariaDB's, with TLS
    1044: "grant the user what the message names; docs/how-to/back-up-mysql.md lists all rights that a backup needs",
    1370: (
        "GRANT EXECUTE ON the database (name.*) to the user: MariaDB shows a view that calls a function only to "
        "users who may call it"
    ),
    1104: "SET GLOBAL max_join_size = DEFAULT: the server refuses the queries of the dump tool",
    3024: "SET GLOBAL max_execution_time = 0 for the time of the backup: the server ended a query for taking too long",
    1969: "SET GLOBAL max_statement_time = 0 for the time of the backup: the server ended a query for taking too long",
}
_NETWORK = (
    "read the server's log and check the network on the way to it, then restore again: the server ended the connection"
)
# ... or a restore.
_RESTORE_REMEDIES = {
    1044: "GRANT ALL ON the target database TO the restore's user, as docs/how-to/back-up-mysql.md shows",
    1142: "GRANT ALL ON the target database TO the restore's user, as docs/how-to/back-up-mysql.md shows",
    1143: "GRANT ALL ON the target database TO the restore's user, as docs/how-to/back-up-mysql.md shows",
    1370: "GRANT ALL ON the target database TO the restore's user and to the definers that the message names",
    1356: (
        "give the view's definer the same rights on the target as on the original database; "
        "docs/how-to/back-up-mysql.md lists them"
    ),
    1449: "create the user that the message names: the user is the definer of a view or routine in the dump",
    1205: "find the session that holds the lock with SHOW PROCESSLIST and end it, then restore again",
    1146: "restore the whole dump, into an empty database: a table that the dump refers to does not exist there",
    1969: "SET GLOBAL max_statement_time = 0 for the time of the restore: the server ended a slow statement",
    2013: _NETWORK,
    2026: _NETWORK,
    1227: (
        "GRANT SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER, SYSTEM_USER ON *.* (MySQL; before 8.2 SET_USER_ID, "
        "SYSTEM_USER) or GRANT SET USER ON *.* (MariaDB) to the restore's user: the dump names definers, and this "
        "user has no right to set them"
    ),
    1419: (
        "SET GLOBAL log_bin_trust_function_creators = 1: the server has a binary log, and then lets only users with "
        "SUPER create triggers and functions"
    ),
    6125: (
        "SET GLOBAL restrict_fk_on_non_standard_key = OFF for the time of the restore: a foreign key of the dump "
        "refers to a key that is not unique, and the restore's user has no right to allow that for its session"
    ),
    3750: (
        "SET GLOBAL sql_require_primary_key = OFF for the time of the restore, or GRANT SESSION_VARIABLES_ADMIN ON *.* "
        "to the restore's user: a table of the dump has no primary key"
    ),
    1273: "restore into a server of the version that was dumped, or a newer one: this one lacks the collation",
    1115: "restore into a server of the version that was dumped, or a newer one: this one lacks the character set",
}


def number(text: str) -> int | None:
    """Return the error's number that a program told; None where there is none."""
    found = _NUMBER.search(text)
    return int(next(group for group in found.groups() if group)) if found else None


def classify(text: str) -> Case:
    """Return the case that a failed connection's message is; OTHER when it is none that we know."""
    code = number(text)
    if code in (2002, 2003, 2013):
        error = _SYSTEM_ERROR.search(text)
        if error and (error[1] or error[2]) == _TIMED_OUT:
            return _TIMEOUT
    return next((case for case in CASES if code in case.numbers), OTHER)


def connection_error(text: str, target: Target) -> HoldfastError:
    """Make the error that a person is told from the client's message: who was asked for what, and what to do."""
    case = classify(text)
    remedy = case.remedy
    if (
        number(text) == 1045
        and target.flavour.engine is Engine.MYSQL
        and target.tls in (TLSMode.DISABLE, TLSMode.PREFER)
    ):
        remedy = f"{remedy}; if all of that is right, {_IN_THE_CLEAR}"
    return HoldfastError(case.reason, f"cannot connect to {target}: {text}", remedy)


@contextmanager
def explained() -> Iterator[None]:
    """Give a tool's failure the remedy of its error's number."""
    try:
        yield
    except HoldfastError as error:
        if error.reason not in (Reason.DUMP_FAILED, Reason.RESTORE_FAILED):
            raise
        code = number(error.message) or 0
        known = _REMEDIES | (_DUMP_REMEDIES if error.reason is Reason.DUMP_FAILED else _RESTORE_REMEDIES)
        raise HoldfastError(error.reason, error.message, known.get(code, error.remedy)) from error
