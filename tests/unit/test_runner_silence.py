"""A server that says nothing, or something without end: it is asked, given up by name, and never waited for blindly."""

import io
import socket
import struct
import threading
import time
from types import SimpleNamespace

import pytest
from tests.builders import NOW
from tests.patience import ENOUGH

from holdfast.api.database import Engine, TLSMode
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact import stream
from holdfast.runner.engines import scratch
from holdfast.runner.engines.mysql import dumps as mysql_dumps
from holdfast.runner.engines.mysql import server as mysql_server
from holdfast.runner.engines.mysql.connection import Target as MySQLTarget
from holdfast.runner.engines.mysql.flavour import FLAVOURS
from holdfast.runner.engines.postgres import server
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.engines.silence import asking
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod import confinement
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.stop import Stop

STALLED = HoldfastError(Reason.DUMP_STALLED, "stalled", "look")


@pytest.fixture(autouse=True)
def a_shell_may_start_others(monkeypatch):
    """A real tool may not: see test_runner_confinement.py."""
    monkeypatch.setattr(confinement, "interpreter", lambda _: None)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(stream, "SILENCE", 0.2)
    monkeypatch.setattr(stream, "LOOK", 0.05)
    monkeypatch.setattr(scratch, "SILENCE", 0.2)
    monkeypatch.setattr(scratch, "INTERVAL", 0.02)
    monkeypatch.setattr("holdfast.runner.engines.again.WINDOW", 0.0)


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
    passed = [0.0]
    monkeypatch.setattr(scratch, "time", SimpleNamespace(monotonic=lambda: passed[0]))
    stop, progress = Stop(), Progress(Log(io.StringIO()), "dumping")
    file = tmp_path / "table"

    def stage():
        with scratch.Room(tmp_path, 1 << 20).watched(stop, progress, stalled):
            for number in range(1, 9):
                file.write_bytes(bytes(number))
                seen(number)
                passed[0] += scratch.SILENCE * 0.9
            assert not stop._event.is_set(), "it grew"
            passed[0] += scratch.SILENCE
            assert stop._event.wait(ENOUGH)

    def seen(size):
        until = time.monotonic() + ENOUGH
        while progress.uncompressed != size:
            assert time.monotonic() < until
            time.sleep(0.005)

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


def inspect(target, stop):
    return server.inspect(target, stop, 17)


@pytest.mark.parametrize("answer", [mute, endless])
@pytest.mark.parametrize("ask", [inspect, server.user_objects], ids=lambda ask: ask.__name__)
def test_a_server_that_does_not_come_to_an_end_is_given_up(target_of, monkeypatch, ask, answer):
    monkeypatch.setattr(server, "ANSWER_SECONDS", 0.15)
    with pytest.raises(HoldfastError, match="accepted the connection, but did not answer within 0 s") as caught:
        ask(target_of(answer), Stop())
    assert caught.value.reason is Reason.CONNECTION_TIMEOUT


def test_a_stop_does_not_wait_for_a_server_that_says_nothing(target_of):
    stop = Stop()
    threading.Timer(0.3, stop.request, [HoldfastError(Reason.INTERRUPTED, "told to end", "apply")]).start()
    with pytest.raises(HoldfastError, match="told to end"):
        inspect(target_of(mute), stop)


def a_context(tmp_path, log):
    return Context(Places(run=tmp_path), Stop(), Log(log), "pod", NOW)


def test_a_silent_dump_whose_server_works_is_logged_with_what_it_waits_for(target_of, tmp_path):
    log = io.StringIO()
    asking(server.require_dumping, target_of(says(b"71 waits for a lock that 42 holds")), a_context(tmp_path, log))(300)
    assert '"event": "silent"' in log.getvalue()
    assert "71 waits for a lock that 42 holds" in log.getvalue()


@pytest.mark.parametrize(
    ("answer", "says"),
    [(says(), "has no active session"), (mute, "no longer answers"), (None, "no longer answers")],
    ids=["it does nothing for it", "it is mute", "it is gone"],
)
def test_a_silent_dump_whose_server_does_nothing_for_it_has_stalled(target_of, tmp_path, monkeypatch, answer, says):
    monkeypatch.setattr(server, "ANSWER_SECONDS", 0.15 if answer is mute else 20)
    target = target_of(answer) if answer else Target("127.0.0.1", "1", "u", "orders", "disable", tmp_path / "pgpass")
    with pytest.raises(HoldfastError, match="pg_dump wrote nothing for 300 s, and ") as caught:
        asking(server.require_dumping, target, a_context(tmp_path, io.StringIO()))(300)
    assert caught.value.reason is Reason.DUMP_STALLED
    assert says in caught.value.message


# MySQL and MariaDB: the client program asks, so a program stands in for it


@pytest.fixture(params=FLAVOURS.values(), ids=lambda flavour: flavour.name)
def mysql_target(request, tmp_path, monkeypatch):
    """A target whose client is the script that the test gives, or one that prints these rows."""
    flavour = request.param
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("holdfast.runner.engines.again.WINDOW", 0.0)
    monkeypatch.setattr(mysql_server, "ANSWER_SECONDS", 20.0)

    def make(script="", rows=()):
        if not script:
            lines = "\\n".join("\\t".join(row) for row in (("version", VERSIONS[flavour.engine], "u@h"), *rows))
            script = f"printf '{lines}\\n'"
        (tmp_path / flavour.client).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / flavour.client).chmod(0o755)
        return MySQLTarget(flavour, "127.0.0.1", "1", "u", "orders", TLSMode.DISABLE, tmp_path / "client.cnf")

    return make


VERSIONS = {Engine.MYSQL: "9.7.4", Engine.MARIADB: "11.8.6-MariaDB"}
ENDLESS = "exec yes 0123456789012345678901234567890123456789"


@pytest.mark.parametrize("script", ["exec sleep 1000", "printf 'version\\t'; exec sleep 1000"], ids=["mute", "in half"])
@pytest.mark.parametrize("ask", [mysql_server.inspect, mysql_server.user_objects], ids=lambda ask: ask.__name__)
def test_a_mysql_server_that_does_not_come_to_an_end_is_given_up(mysql_target, monkeypatch, ask, script):
    monkeypatch.setattr(mysql_server, "ANSWER_SECONDS", 0.15)
    with pytest.raises(HoldfastError, match="accepted the connection, but did not answer within 0 s") as caught:
        ask(mysql_target(script), Stop())
    assert caught.value.reason is Reason.CONNECTION_TIMEOUT


def test_a_mysql_server_that_answers_without_end_is_given_up_before_the_memory_is_full(mysql_target):
    target = mysql_target(ENDLESS)
    with pytest.raises(HoldfastError, match="with more than 32 MiB") as caught:
        mysql_server.inspect(target, Stop())
    assert caught.value.reason is Reason.CONNECTION_FAILED
    with pytest.raises(ValueError, match="with more than 32 MiB"):  # of migrations alone: a warning
        mysql_server.look(target, "", Stop())


def test_a_stop_does_not_wait_for_a_mysql_server_that_says_nothing(mysql_target):
    stop = Stop()
    threading.Timer(0.3, stop.request, [HoldfastError(Reason.INTERRUPTED, "told to end", "apply")]).start()
    with pytest.raises(HoldfastError, match="told to end"):
        mysql_server.inspect(mysql_target("exec sleep 1000"), stop)


def test_a_silent_mysql_dump_whose_server_works_is_logged_with_what_it_waits_for(mysql_target, tmp_path):
    log = io.StringIO()
    rows = [("doing", "71", "299", "Waiting for table metadata lock"), ("doing", "72", "1", "")]
    asking(mysql_server.require_dumping, mysql_target(rows=rows), a_context(tmp_path, log))(300)
    assert '"event": "silent"' in log.getvalue()
    assert '["71 for 299 s: Waiting for table metadata lock", "72 for 1 s: active"]' in log.getvalue()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("", "has no active session"),
        ("exec sleep 1000", "no longer answers: database 'orders' at 127.0.0.1:1 as its user accepted"),
        ("echo 'ERROR 2003 (HY000): no' >&2; exit 1", "no longer answers: cannot connect to"),
    ],
    ids=["it does nothing for it", "it is mute", "it is gone"],
)
def test_a_silent_mysql_dump_whose_server_does_nothing_for_it_has_stalled(
    mysql_target, tmp_path, monkeypatch, script, says
):
    monkeypatch.setattr(mysql_server, "ANSWER_SECONDS", 0.15 if script else 20)
    target = mysql_target(script)
    with pytest.raises(HoldfastError, match="dump wrote nothing for 300 s, and ") as caught:
        asking(mysql_server.require_dumping, target, a_context(tmp_path, io.StringIO()))(300)
    assert caught.value.reason is Reason.DUMP_STALLED
    assert caught.value.message.startswith(target.flavour.dump)
    assert says in caught.value.message


@pytest.mark.parametrize("state", ["Sending to client", "Writing to net"])
def test_what_a_mysql_server_writes_and_never_arrives_is_waited_for_as_long_as_the_largest_row_takes(
    mysql_target, tmp_path, state
):
    target = mysql_target(rows=[("doing", "71", "899", state)])
    asking(mysql_server.require_dumping, target, a_context(tmp_path, io.StringIO()))(899)
    with pytest.raises(HoldfastError, match="the server is still sending, but nothing arrives"):
        asking(mysql_server.require_dumping, target, a_context(tmp_path, io.StringIO()))(900)
    target = mysql_target(rows=[("doing", "71", "899", state), ("doing", "72", "899", "executing")])
    asking(mysql_server.require_dumping, target, a_context(tmp_path, io.StringIO()))(900)


def test_a_mysql_dump_that_falls_silent_asks_its_server(mysql_target, tmp_path):
    target = mysql_target("exit 1")
    (tmp_path / target.flavour.dump).write_text("#!/bin/sh\necho '-- some of it'\nexec sleep 1000\n")
    (tmp_path / target.flavour.dump).chmod(0o755)
    context, log = a_context(tmp_path, io.StringIO()), io.StringIO()
    with (
        pytest.raises(HoldfastError, match="no longer answers") as caught,
        mysql_dumps.StreamedDump(target, context, []) as dump,
    ):
        dump.stream(io.BytesIO(), Progress(Log(log), "dumping"))
    assert caught.value.reason is Reason.DUMP_STALLED
