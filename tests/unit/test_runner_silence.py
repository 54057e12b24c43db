"""A server that says nothing, or something without end: it is asked, given up by name, and never waited for blindly."""

import io
import socket
import struct
import threading
import time

import pytest
from tests.builders import NOW

from holdfast.errors import HoldfastError, Reason
from holdfast.runner import scratch, stream
from holdfast.runner.context import Context, Places
from holdfast.runner.log import Log
from holdfast.runner.postgres import dumps, server
from holdfast.runner.postgres.connection import Target
from holdfast.runner.progress import Progress
from holdfast.runner.stop import Stop
from holdfast.runner.tools import Tool

STALLED = HoldfastError(Reason.DUMP_STALLED, "stalled", "look")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(stream, "SILENCE", 0.2)
    monkeypatch.setattr(stream, "LOOK", 0.05)
    monkeypatch.setattr(scratch, "SILENCE", 0.2)
    monkeypatch.setattr(scratch, "INTERVAL", 0.02)
    monkeypatch.setattr(server, "RETRY_WINDOW", 0.0)


def stalled(_seconds):
    raise STALLED


def pumped(script, silent, take=lambda _: None):
    with Tool(["sh", "-c", script], stdout=True) as tool:
        stream.pump(tool.stdout, (take,), Stop(), silent)


@pytest.mark.parametrize("script", ["exec sleep 1000", "echo x; exec sleep 1000"], ids=["at once", "in the middle"])
def test_a_tool_that_falls_silent_is_not_waited_for_where_the_server_is_gone(script):
    with pytest.raises(HoldfastError, match="stalled"):
        pumped(script, stalled)


def test_a_tool_is_waited_for_while_the_server_works_for_it():
    asked = []
    with pytest.raises(HoldfastError, match="stalled"):
        pumped("exec sleep 1000", lambda seconds: asked.append(seconds) or (len(asked) == 3 and stalled(seconds)))
    assert asked == sorted(asked)
    assert asked[-1] - asked[0] >= 0.39


def test_a_slow_store_is_no_silence():
    taken, stop, asked = [], Stop(), []
    with Tool(["sh", "-c", "for i in 1 2 3; do echo $i; done"], stdout=True) as tool:
        assert tool.wait() == 0, "all of it lies in the pipe"
        stream.pump(tool.stdout, (lambda data: taken.append(bytes(data)) or time.sleep(0.5),), stop, asked.append)
    assert (b"".join(taken), asked) == (b"1\n2\n3\n", [])


def test_a_staged_dump_that_does_not_grow_is_asked_about_and_one_that_grows_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "SILENCE", 1.0)  # long enough for a machine that does something else as well
    stop, progress = Stop(), Progress(Log(io.StringIO()), "dumping")
    file = tmp_path / "table"

    def stage():
        with scratch.Room(tmp_path, 1 << 20).watched(stop, progress, stalled):
            for number in range(24):
                file.write_bytes(bytes(number + 1))
                assert not stop._event.wait(0.05), "it grew"
            assert stop._event.wait(10)

    with pytest.raises(HoldfastError, match="stalled"):
        stage()


class Fake:
    """A PostgreSQL server as far as its protocol goes; `answer` is what it says to a question."""

    def __init__(self, answer):
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = str(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._listener.close()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client):
        with client, client.makefile("rb") as said:
            try:
                (length,) = struct.unpack("!I", said.read(4))
                said.read(length - 4)
                settings = {"server_version": "17.5", "client_encoding": "UTF8", "integer_datetimes": "on"}
                parameters = [message(b"S", f"{name}\0{value}\0".encode()) for name, value in settings.items()]
                client.sendall(b"".join([message(b"R", struct.pack("!I", 0)), *parameters, READY]))
                while kind := said.read(1):
                    (length,) = struct.unpack("!I", said.read(4))
                    said.read(length - 4)
                    if kind in b"QS":
                        self._answer(client, kind)
            except OSError:
                return


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


READY = message(b"Z", b"I")
COLUMN = struct.pack("!H", 1) + b"x\0" + struct.pack("!IHIhih", 0, 0, 25, -1, -1, 0)


def row(text):
    return message(b"D", struct.pack("!HI", 1, len(text)) + text)


def says(*rows):
    def answer(client, kind):
        begun = [] if kind == b"Q" else [message(b"1"), message(b"2")]
        client.sendall(b"".join([*begun, message(b"T", COLUMN), *map(row, rows), message(b"C", b"SELECT 1\0"), READY]))

    return answer


def mute(_client, _kind):
    """Say nothing."""


def endless(client, _kind):
    client.sendall(message(b"T", COLUMN))
    while True:
        client.sendall(row(b"x" * 1000) * 100)
        time.sleep(0.005)  # enough to be endless; the test's memory is its own


@pytest.fixture
def target_of(tmp_path):
    fakes = []

    def make(answer):
        fakes.append(Fake(answer))
        return Target("127.0.0.1", fakes[-1].port, "u", "orders", "disable", tmp_path / "pgpass")

    yield make
    for fake in fakes:
        fake.close()


@pytest.mark.parametrize("answer", [mute, endless])
@pytest.mark.parametrize("ask", [server.inspect, server.user_objects], ids=lambda ask: ask.__name__)
def test_a_server_that_does_not_come_to_an_end_is_given_up(target_of, monkeypatch, ask, answer):
    monkeypatch.setattr(server, "ANSWER_SECONDS", 0.3)
    with pytest.raises(HoldfastError, match="was connected to, but did not answer within") as caught:
        ask(target_of(answer), Stop())
    assert caught.value.reason is Reason.CONNECTION_TIMEOUT


def test_a_stop_does_not_wait_for_a_server_that_says_nothing(target_of):
    stop = Stop()
    threading.Timer(0.3, stop.request, [HoldfastError(Reason.INTERRUPTED, "told to end", "apply")]).start()
    with pytest.raises(HoldfastError, match="told to end"):
        server.inspect(target_of(mute), stop)


def a_context(tmp_path, log):
    return Context(Places(run=tmp_path), Stop(), Log(log), "pod", NOW)


def test_a_silent_dump_whose_server_works_is_logged_with_what_it_waits_for(target_of, tmp_path):
    log = io.StringIO()
    dumps.asking(target_of(says(b"71 waits for a lock that 42 holds")), a_context(tmp_path, log))(300)
    assert '"event": "silent"' in log.getvalue()
    assert "71 waits for a lock that 42 holds" in log.getvalue()


@pytest.mark.parametrize(
    ("answer", "says"),
    [(says(), "knows of no session"), (mute, "does not answer any more"), (None, "does not answer any more")],
    ids=["it does nothing for it", "it is mute", "it is gone"],
)
def test_a_silent_dump_whose_server_does_nothing_for_it_has_stalled(target_of, tmp_path, monkeypatch, answer, says):
    monkeypatch.setattr(server, "ANSWER_SECONDS", 0.3 if answer is mute else 20)
    target = target_of(answer) if answer else Target("127.0.0.1", "1", "u", "orders", "disable", tmp_path / "pgpass")
    with pytest.raises(HoldfastError, match="pg_dump wrote nothing for 300 seconds, and ") as caught:
        dumps.asking(target, a_context(tmp_path, io.StringIO()))(300)
    assert caught.value.reason is Reason.DUMP_STALLED
    assert says in caught.value.message
