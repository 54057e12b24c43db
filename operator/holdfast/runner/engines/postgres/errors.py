"""What libpq says when it cannot connect, mapped once to our reasons, each with the remedy wanted at 3 am.

libpq gives no SQLSTATE for a failed connection, so its English sentences are matched; the image sets no other
language. A server's own sentence in another language falls through to ConnectionFailed, with its words kept.
"""

import re
from dataclasses import dataclass

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres.connection import Target
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
        "check connection.host: is the name right, with its namespace (name.namespace.svc), and is there a Service?",
    ),
    Case(
        r"database system is (starting|shutting|in recovery|not yet)|not yet accepting connections",
        Reason.CONNECTION_REFUSED,
        True,
        "the server is starting or stopping: wait until it is ready, then create another backup",
    ),
    Case(
        r"connection refused|no route to host|network is unreachable",
        Reason.CONNECTION_REFUSED,
        True,
        "check that the server runs, that host and port are its own, and that no NetworkPolicy forbids it",
    ),
    Case(
        r"timeout expired|timed out",
        Reason.CONNECTION_TIMEOUT,
        True,
        "nothing answered: check host and port, and NetworkPolicies and firewalls on the way to the server",
    ),
    Case(
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        Reason.AUTHENTICATION_FAILED,
        False,
        "the server's pg_hba.conf does not admit this user from here: add an entry; 'no encryption' in the message "
        "means that connection.tls.mode must be require or stricter",
    ),
    Case(
        r"password authentication failed|authentication failed|no password supplied|not permitted to log in|role "
        r".* does not exist",
        Reason.AUTHENTICATION_FAILED,
        False,
        "check the user's name and password in the Secret; a password that was changed lately may not be in it yet",
    ),
    Case(
        r"permission denied for database",
        Reason.AUTHENTICATION_FAILED,
        False,
        "GRANT CONNECT ON DATABASE to this user",
    ),
    Case(
        r"database .* does not exist",
        Reason.DATABASE_NOT_FOUND,
        False,
        "check database.name: it is the name as it is, unquoted, in the right case; psql -l lists all",
    ),
    Case(
        r"\bssl\b|certificate|\btls\b",
        Reason.TLS_FAILED,
        False,
        "check connection.tls: does the server speak TLS, is the authority in caSecretName the one that signed its "
        "certificate, and does the certificate name this host?",
    ),
    Case(
        r"session is (not )?read-only|server is (not )?in hot standby",
        Reason.CONNECTION_FAILED,
        True,
        "no server that answers is of the kind that the connection URL's target_session_attrs asks for: look which one "
        "is the primary, and name it, or a Service that is always its",
    ),
    Case(
        r"too many (clients|connections)|remaining connection slots",
        Reason.CONNECTION_FAILED,
        True,
        "the server has no connection left: raise max_connections or end idle ones",
    ),
    Case(
        r"server closed the connection unexpectedly",
        Reason.CONNECTION_FAILED,
        True,
        "the server, or what stands before it, ended the connection at once: look in its log; it may be starting",
    ),
)
OTHER = Case("", Reason.CONNECTION_FAILED, False, "check the server's log; the message above is the server's own")


def classify(text: str) -> Case:
    """Return the case that a message of libpq is; OTHER when it is none that we know."""
    return next((case for case in CASES if re.search(case.pattern, text, re.IGNORECASE)), OTHER)


def connection_error(text: str, target: Target) -> HoldfastError:
    """Make the error that a person is told from libpq's message: who was asked for what, and what to do."""
    case = classify(text)
    return HoldfastError(case.reason, f"cannot connect to {target}: {one_line(text, 600)}", case.remedy)
