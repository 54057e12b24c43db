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
    "a MySQL server without TLS and without RSA keys refuses every password of caching_sha2_password: set "
    "connection.tls.mode to require or stricter, for which the server needs a certificate; or give it RSA keys "
    "(caching_sha2_password_auto_generate_rsa_keys = ON), and restart it"
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
    "nothing answered: check host and port, and NetworkPolicies and firewalls on the way to the server",
)
CASES = (
    Case(
        (2005,),
        Reason.HOST_NOT_FOUND,
        True,
        "check connection.host: is the name right, with its namespace (name.namespace.svc), and is there a Service?",
    ),
    Case(
        (2002, 2003, 2004),
        Reason.CONNECTION_REFUSED,
        True,
        "check that the server runs, that host and port are its own, and that no NetworkPolicy forbids it",
    ),
    Case(
        (1053, 2006, 2012, 2013, 2055),
        Reason.CONNECTION_FAILED,
        True,
        "the server, or a proxy before it, ended the connection: is it starting or stopping, and is the port its own?",
    ),
    Case(
        (1040, 1203, 1226),
        Reason.CONNECTION_FAILED,
        True,
        "the server has no connection left for this user: raise max_connections or the user's limit, or end idle ones",
    ),
    Case(
        (1129,),
        Reason.CONNECTION_FAILED,
        False,
        "the server blocks this address after many failed connections: mariadb-admin flush-hosts, or TRUNCATE "
        "performance_schema.host_cache",
    ),
    Case(
        (1130,),
        Reason.AUTHENTICATION_FAILED,
        False,
        "the server admits no user from this address: CREATE USER …@'%', or with the network of the Pods",
    ),
    Case(
        (1044,),
        Reason.AUTHENTICATION_FAILED,
        False,
        "check database.name, and GRANT the user rights on it: to one without any, a server does not say whether a "
        "database exists",
    ),
    Case(
        (1045, 1698),
        Reason.AUTHENTICATION_FAILED,
        False,
        "check the user's name and password in the Secret, and that the user may come from this address; a user that "
        "REQUIREs TLS needs connection.tls.mode require or stricter",
    ),
    Case(
        (1820, 1862, 3118, 3955, 4151),
        Reason.AUTHENTICATION_FAILED,
        False,
        "the account is locked or its password has expired: ALTER USER … ACCOUNT UNLOCK, or set a password",
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
        "the client does not have this user's authentication plugin: ALTER USER … IDENTIFIED WITH "
        "caching_sha2_password (MySQL; version 9 has dropped mysql_native_password), or VIA mysql_native_password, "
        "ed25519 or parsec (MariaDB)",
    ),
    Case((1049,), Reason.DATABASE_NOT_FOUND, False, "check database.name: the name as it is; SHOW DATABASES lists all"),
    Case(
        (2026, 3159),
        Reason.TLS_FAILED,
        False,
        "check connection.tls: does the server speak TLS, does it insist on it, is the authority in caSecretName the "
        "one that signed its certificate, and does the certificate name this host?",
    ),
    Case(
        (2007, 2027),
        Reason.CONNECTION_FAILED,
        False,
        "what answers there speaks another protocol: check host, port and database.engine",
    ),
)
OTHER = Case((), Reason.CONNECTION_FAILED, False, "check the server's log; the message above is the server's own")

# What a tool failed with after it was connected, and what helps.
_REMEDIES = {
    1142: "grant the user what the message names; docs/how-to/back-up-mysql.md has all that a backup needs",
    1143: "grant the user the whole table: a dump without some of its columns would not be whole",
    1356: "the view names what is not there, or its definer may not see it: mend it, drop it, or redefine it",
    1449: "the view's or routine's definer is no user of this server: create that user, or redefine the object",
    1412: "a table was altered during the dump: keep migrations apart from backups, then create another backup",
    1146: "a table was dropped or renamed during the dump: keep migrations apart from backups, "
    "then create another backup",
    1205: "something holds a lock: look at SHOW PROCESSLIST, then create another backup",
    2020: "a row is larger than the client takes: 1 GiB is the most that MySQL knows",
    1153: "raise the server's max_allowed_packet: it must hold the largest row twice over",
    2006: "the server ended the connection; often a row is too large for its max_allowed_packet, which must hold it "
    "twice over",
    2013: "the server ended the connection: look in its log, then create another backup",
    2026: "the server ended the connection: look in its log, then create another backup",  # MariaDB's, with TLS
    1227: "the dump names definers that this user may not set: GRANT SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER ON *.* "
    "(MySQL) or SET USER ON *.* (MariaDB) TO it",
    1419: "with a binary log, only SUPER makes triggers and functions: SET GLOBAL log_bin_trust_function_creators = 1",
    1044: "grant the user what the message names",
    1370: "grant the user what the message names",
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
        remedy = f"{remedy}; where all of that is right: {_IN_THE_CLEAR}"
    return HoldfastError(case.reason, f"cannot connect to {target}: {text}", remedy)


@contextmanager
def explained(advice: str = "") -> Iterator[None]:
    """Give a tool's failure the remedy of its error's number; `advice` follows on each."""
    try:
        yield
    except HoldfastError as error:
        if error.reason not in (Reason.DUMP_FAILED, Reason.RESTORE_FAILED):
            raise
        remedy = _REMEDIES.get(number(error.message) or 0, error.remedy)
        raise HoldfastError(error.reason, error.message, "; ".join(filter(None, (remedy, advice)))) from error
