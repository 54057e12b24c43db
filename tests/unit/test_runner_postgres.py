"""Connecting: what may pass by itself is tried again, what will not is final at once, and a stop is heeded."""

import threading
from pathlib import Path

import psycopg
import pytest

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres import server as postgres
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.pod.stop import Stop

TARGET = Target("127.0.0.1", "5432", "u", "orders", "prefer", Path("/run/holdfast/pgpass"))
REFUSED = "connection failed: Connection refused"


@pytest.fixture
def server(monkeypatch):
    """Let each attempt fail with the next sentence; when none is left, it succeeds."""
    monkeypatch.setattr("holdfast.runner.engines.again.FIRST_PAUSE", 0.01)
    attempts, failures = [], []

    def connect(*_, **parameters):
        attempts.append(parameters)
        if failures:
            raise psycopg.OperationalError(failures.pop(0))
        return "connected"

    monkeypatch.setattr(psycopg, "connect", connect)
    return attempts, failures


@pytest.mark.parametrize(
    "sentence", [REFUSED, "timeout expired", "Name or service not known", "the database system is starting up"]
)
def test_what_may_pass_is_tried_again(server, sentence):
    attempts, failures = server
    failures += [sentence] * 3
    assert postgres.connect(TARGET, Stop()) == "connected"
    assert len(attempts) == 4


@pytest.mark.parametrize("sentence", ["password authentication failed", 'database "orders" does not exist', "what?"])
def test_what_will_not_pass_is_final_at_once(server, sentence):
    attempts, failures = server
    failures += [sentence]
    with pytest.raises(HoldfastError):
        postgres.connect(TARGET, Stop())
    assert len(attempts) == 1


def test_it_is_given_up_when_the_window_is_over(server, monkeypatch):
    monkeypatch.setattr("holdfast.runner.engines.again.WINDOW", 0.05)
    _, failures = server
    failures += [REFUSED] * 1000
    with pytest.raises(HoldfastError) as caught:
        postgres.connect(TARGET, Stop())
    assert caught.value.reason is Reason.CONNECTION_REFUSED
    assert len(failures) > 900


def test_a_stop_ends_the_waiting(server, monkeypatch):
    monkeypatch.setattr("holdfast.runner.engines.again.FIRST_PAUSE", 10)
    _, failures = server
    failures += [REFUSED] * 1000
    stop = Stop()
    asked = HoldfastError(Reason.INTERRUPTED, "told to end", "apply a new one")
    timer = threading.Timer(0.05, stop.request, [asked])
    timer.start()
    with pytest.raises(HoldfastError, match="told to end"):
        postgres.connect(TARGET, stop)
    timer.join()


def test_the_password_is_never_among_the_parameters(server):
    attempts, _ = server
    postgres.connect(TARGET, Stop())
    assert "password" not in attempts[0]
    assert attempts[0]["passfile"] == "/run/holdfast/pgpass"
