"""What libpq says when it cannot connect, mapped once to our reasons, each with the remedy wanted at 3 am.

libpq gives no SQLSTATE for a failed connection, so its English sentences are matched; the image sets no other
language. A server's own sentence in another language falls through to ConnectionFailed, with its words kept.
"""

import re
from dataclasses import dataclass

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.engines.tool_errors import NO_CONNECTION, TOO_MANY
from holdfast.runner.pod.text import one_line


@dataclass(frozen=True)
class Case:
    """One kind of failure: how it is recognised, whether it may pass by itself, and what to do."""

    pattern: str
    reason: Reason
    passes: bool
    remedy: str


CASES = (
    Case(
        r"could not translate host name|name or service not known|name resolution|no address associated|nodename nor",
        Reason.HOST_NOT_FOUND,
        True,
        "check connection.host: the name must be right, with its namespace (name.namespace.svc), and the Service must "
        "exist",
    ),
    Case(
        r"database system is (starting|shutting|in recovery|not yet)|not yet accepting connections",
        Reason.CONNECTION_REFUSED,
        True,
        "wait until the server is ready, then create another backup: the server is starting or stopping",
    ),
    Case(
        r"connection refused|no route to host|network is unreachable",
        Reason.CONNECTION_REFUSED,
        True,
        "check that the server is running, that host and port are right, and that no NetworkPolicy blocks the "
        "connection",
    ),
    Case(
        r"timeout expired|timed out",
        Reason.CONNECTION_TIMEOUT,
        True,
        "check host and port, and NetworkPolicies and firewalls on the way to the server: nothing answered",
    ),
    Case(
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        Reason.AUTHENTICATION_FAILED,
        False,
        "add an entry for this user and the Pods' network to the server's pg_hba.conf; if the message says 'no "
        "encryption', set connection.tls.mode to require or stricter",
    ),
    Case(
        r"password authentication failed|authentication failed|no password supplied|not permitted to log in|role "
        r".* does not exist",
        Reason.AUTHENTICATION_FAILED,
        False,
        "check the user's name and password in the Secret; the Secret may still have an old password",
    ),
    Case(
        r"permission denied for database",
        Reason.AUTHENTICATION_FAILED,
        False,
        "GRANT CONNECT ON DATABASE … TO this user",
    ),
    Case(
        r"database .* does not exist",
        Reason.DATABASE_NOT_FOUND,
        False,
        "check database.name: it must be the exact name, without quotes and in the right case; psql -l lists all",
    ),
    Case(
        r"\bssl\b|certificate|\btls\b",
        Reason.TLS_FAILED,
        False,
        "check connection.tls: whether the server offers TLS, whether the CA in caSecretName signed its certificate, "
        "and whether the certificate names this host",
    ),
    Case(
        r"session is (not )?read-only|server is (not )?in hot standby",
        Reason.CONNECTION_FAILED,
        True,
        "name the server that target_session_attrs in the connection URL asks for (usually the primary), or a "
        "Service that always points to it: no server that answers is of that kind",
    ),
    Case(
        r"too many connections for (role|database)",
        Reason.CONNECTION_FAILED,
        True,
        TOO_MANY,
    ),
    Case(
        r"too many (clients|connections)|remaining connection slots",
        Reason.CONNECTION_FAILED,
        True,
        NO_CONNECTION,
    ),
    Case(
        r"server closed the connection unexpectedly",
        Reason.CONNECTION_FAILED,
        True,
        "read the server's log: the server, or a proxy before it, ended the connection at once; the server may be "
        "starting",
    ),
)
OTHER = Case("", Reason.CONNECTION_FAILED, False, "read the server's log: the message is the server's own")


def classify(text: str) -> Case:
    """Return the case that a message of libpq is; OTHER when it is none that we know."""
    return next((case for case in CASES if re.search(case.pattern, text, re.IGNORECASE)), OTHER)


def connection_error(text: str, target: Target) -> HoldfastError:
    """Make the error that a person is told from libpq's message: who was asked for what, and what to do."""
    case = classify(text)
    return HoldfastError(case.reason, f"cannot connect to {target}: {one_line(text, 600)}", case.remedy)
