"""Reaches a MySQL or MariaDB server by a driver instead of the client program: for SQL that no client may interpret.

The client has just logged in with the same user, so that a server with caching_sha2_password knows the password by now
and asks for no key, also without TLS.
"""

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from holdfast.api.database import TLSMode
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import SSCursor

CONNECT_TIMEOUT = 5  # seconds


def connect(target: Target, password: str, stop: Stop, database: str | None) -> "Connection[SSCursor]":
    """Connect. Raises AuthenticationFailed for a way to log in that the driver does not know, or ConnectionFailed."""
    import pymysql  # late: only SQL after a restore needs it
    from pymysql.constants import CLIENT
    from pymysql.converters import encoders
    from pymysql.cursors import SSCursor

    stop.check()
    try:
        return pymysql.connect(
            host=target.host,
            port=int(target.port),
            user=target.user,
            password=password.encode(),
            database=database,
            charset="utf8mb4",
            client_flag=CLIENT.MULTI_STATEMENTS,
            cursorclass=SSCursor,
            conv=cast("Any", encoders),  # rows are passed over, so that none is decoded into a date or a number
            connect_timeout=CONNECT_TIMEOUT,
            local_infile=False,
            ssl=_context(target),
            ssl_disabled=target.tls is TLSMode.DISABLE or None,
        )
    except RuntimeError as error:  # what it needs a further library for
        raise _not_known(target, str(error)) from error
    except pymysql.err.Error as error:
        raise HoldfastError(
            Reason.CONNECTION_FAILED,
            f"the driver cannot connect to {target}: {one_line(str(error), 400)}",
            "correct what the message names: the message is the server's or the driver's own",
        ) from error


def _not_known(target: Target, said: str) -> HoldfastError:
    return HoldfastError(
        Reason.AUTHENTICATION_FAILED,
        f"the driver that runs the SQL of afterRestore cannot log in to {target}: {one_line(said, 300)}",
        "set connection.tls.mode to require or stricter (MySQL), or use a user with mysql_native_password (MariaDB)",
    )


def _context(target: Target) -> ssl.SSLContext | None:
    """Return how TLS is spoken; None: as the driver does by itself, where the server offers it."""
    if target.tls in (TLSMode.DISABLE, TLSMode.PREFER):
        return None
    context = ssl.create_default_context(cafile=target.authority)
    context.check_hostname = target.tls is TLSMode.VERIFY_FULL
    context.verify_mode = ssl.CERT_NONE if target.tls is TLSMode.REQUIRE else ssl.CERT_REQUIRED
    return context


def end(target: Target, password: str, number: int) -> None:
    """End a session of ours from beside: its statement is rolled back."""
    import pymysql

    with suppress(HoldfastError, pymysql.err.Error, OSError), connect(target, password, Stop(), None) as beside:
        beside.query(f"KILL {number}")
