"""What libpq, the store and the tools say becomes one of our reasons, with who was asked and what to do."""

from pathlib import Path

import pytest
from botocore import exceptions as boto
from tests.fake_s3 import client_error

from holdfast.api.storage import S3Storage
from holdfast.errors import EXIT_CODES, ExitCode, Reason
from holdfast.runner.bucket import errors
from holdfast.runner.engines.postgres import errors as postgres_errors
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.pod.text import one_line

TARGET = Target("db.shop.svc", "5433", "backup", "or'ders", "prefer", Path("/run/holdfast/pgpass"))
S3 = S3Storage(bucket="backups", endpoint="https://s3.example.com")
AT = 'connection to server at "10.0.0.9", port 5432 failed: '

LIBPQ = {
    'could not translate host name "nope" to address: Name or service not known': (Reason.HOST_NOT_FOUND, True),
    "[Errno -2] Name or service not known": (Reason.HOST_NOT_FOUND, True),
    "failed to resolve host 'x': Temporary failure in name resolution": (Reason.HOST_NOT_FOUND, True),
    AT + "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?": (
        Reason.CONNECTION_REFUSED, True),
    AT + "No route to host": (Reason.CONNECTION_REFUSED, True),
    AT + "FATAL:  the database system is starting up": (Reason.CONNECTION_REFUSED, True),
    AT + "FATAL:  the database system is shutting down": (Reason.CONNECTION_REFUSED, True),
    "connection timeout expired": (Reason.CONNECTION_TIMEOUT, True),
    AT + "Connection timed out": (Reason.CONNECTION_TIMEOUT, True),
    AT + 'FATAL:  too many connections for role "u"': (Reason.CONNECTION_FAILED, True),
    AT + 'FATAL:  password authentication failed for user "backup"': (Reason.AUTHENTICATION_FAILED, False),
    AT + 'FATAL:  role "backup" does not exist': (Reason.AUTHENTICATION_FAILED, False),
    AT + "fe_sendauth: no password supplied": (Reason.AUTHENTICATION_FAILED, False),
    AT + 'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", no encryption': (
        Reason.AUTHENTICATION_FAILED, False),
    AT + 'FATAL:  role "u" is not permitted to log in': (Reason.AUTHENTICATION_FAILED, False),
    AT + 'FATAL:  permission denied for database "d"\nDETAIL:  User does not have CONNECT privilege.': (
        Reason.AUTHENTICATION_FAILED, False),
    AT + 'FATAL:  database "orders" does not exist': (Reason.DATABASE_NOT_FOUND, False),
    AT + "server does not support SSL, but SSL was required": (Reason.TLS_FAILED, False),
    AT + "SSL error: certificate verify failed": (Reason.TLS_FAILED, False),
    'server certificate for "a" does not match host name "b"': (Reason.TLS_FAILED, False),
    'root certificate file "/x" does not exist': (Reason.TLS_FAILED, False),
    AT + "FATAL:  sorry, too many clients already": (Reason.CONNECTION_FAILED, True),
    AT + "FATAL:  Passwort-Authentifizierung fehlgeschlagen": (Reason.CONNECTION_FAILED, False),
    "something new": (Reason.CONNECTION_FAILED, False),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), LIBPQ.items(), ids=LIBPQ.keys())
def test_libpqs_sentence_becomes_a_reason_and_says_whether_it_may_pass(text, expected):
    case = postgres_errors.classify(text)
    assert (case.reason, case.passes) == expected


@pytest.mark.parametrize("text", LIBPQ)
def test_every_failure_to_connect_exits_3_names_who_was_asked_and_gives_a_remedy(text):
    error = postgres_errors.connection_error(text, TARGET)
    assert error.exit_code is ExitCode.DATABASE
    assert 'database "or\'ders" at db.shop.svc:5433 as its user' in error.message
    assert "\n" not in error.message
    assert len(error.remedy) > 20


STORE = {
    ("NoSuchBucket", 404): Reason.BUCKET_NOT_FOUND,
    ("PermanentRedirect", 301): Reason.BUCKET_NOT_FOUND,
    ("AccessDenied", 403): Reason.STORAGE_ACCESS_DENIED,
    ("SignatureDoesNotMatch", 403): Reason.STORAGE_ACCESS_DENIED,
    ("InvalidAccessKeyId", 403): Reason.STORAGE_ACCESS_DENIED,
    ("ExpiredToken", 400): Reason.STORAGE_ACCESS_DENIED,
    ("403", 403): Reason.STORAGE_ACCESS_DENIED,
    ("RequestTimeTooSkewed", 403): Reason.STORAGE_FAILED,
    ("SlowDown", 503): Reason.STORAGE_UNAVAILABLE,
    ("InternalError", 500): Reason.STORAGE_UNAVAILABLE,
    ("InternalError", 200): Reason.STORAGE_UNAVAILABLE,
    ("503", 503): Reason.STORAGE_UNAVAILABLE,
    ("QuotaExceeded", 400): Reason.STORAGE_FAILED,
    ("Unheard", 418): Reason.STORAGE_FAILED,
}


@pytest.mark.parametrize(("answer", "reason"), STORE.items(), ids=str)
def test_the_stores_answer_becomes_a_reason_with_its_status_and_code(answer, reason):
    error = errors.storage_error(client_error(*answer), "uploading part 3", S3)
    assert error.reason is reason
    assert error.exit_code is ExitCode.STORAGE
    assert f"bucket backups at https://s3.example.com: uploading part 3 failed: HTTP {answer[1]} {answer[0]}" in (
        error.message
    )
    assert len(error.remedy) > 20


NETWORK = {
    "no endpoint": (boto.EndpointConnectionError(endpoint_url="https://x"), Reason.STORAGE_UNAVAILABLE),
    "connect timeout": (boto.ConnectTimeoutError(endpoint_url="https://x"), Reason.STORAGE_UNAVAILABLE),
    "read timeout": (boto.ReadTimeoutError(endpoint_url="https://x"), Reason.STORAGE_UNAVAILABLE),
    "connection closed": (boto.ConnectionClosedError(endpoint_url="https://x"), Reason.STORAGE_UNAVAILABLE),
    "untrusted certificate": (boto.SSLError(endpoint_url="https://x", error="self-signed"), Reason.STORAGE_FAILED),
    "no credentials": (boto.NoCredentialsError(), Reason.STORAGE_ACCESS_DENIED),
    "no region": (boto.NoRegionError(), Reason.STORAGE_FAILED),
}


@pytest.mark.parametrize(("error", "reason"), NETWORK.values(), ids=NETWORK.keys())
def test_what_botocore_raises_by_itself_becomes_a_reason(error, reason):
    told = errors.storage_error(error, "reading x", S3)
    assert (told.reason, told.exit_code) == (reason, ExitCode.STORAGE)
    assert len(told.remedy) > 20


@pytest.mark.parametrize("of", ["role", "database"])
def test_a_limit_of_a_role_or_a_database_is_raised_there_and_not_on_the_server(of):
    remedy = postgres_errors.classify(f'FATAL:  too many connections for {of} "x"').remedy
    assert "CONNECTION LIMIT" in remedy
    assert "max_connections" not in remedy
    assert "max_connections" in postgres_errors.classify("FATAL:  sorry, too many clients already").remedy


def test_every_reason_of_the_runner_has_a_documented_exit_code():
    assert set(EXIT_CODES.values()) == set(ExitCode) - {ExitCode.SUCCESS}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb\t c", "a b c"),
        ("\x1b[1m", "\\u001b[1m"),
        ("a\u2028b\x85c", "a b c"),
        ("0123456789abc", "…456789abc"),
        ("", ""),
    ],
)
def test_what_a_tool_says_becomes_one_bounded_line_that_keeps_its_end(text, line):
    assert one_line(text, 10) == line
