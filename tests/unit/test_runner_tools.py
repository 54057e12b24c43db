"""Tools: every exit code is read, a killed tool is told from a failed one, and nothing of a tool outlives its block."""

import os
import time
from pathlib import Path

import pytest
from tests.patience import ENOUGH

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.stream import pump
from holdfast.runner.engines.tool_errors import Feed, check
from holdfast.runner.engines.tools import STDERR_LINES, Tool, find, version
from holdfast.runner.pod import confinement
from holdfast.runner.pod.stop import Stop


@pytest.fixture(autouse=True)
def a_shell_may_start_others(monkeypatch):
    """A real tool may not: see test_runner_confinement.py."""
    monkeypatch.setattr(confinement, "interpreter", lambda _: None)


def sh(script, **pipes):
    return Tool(["sh", "-c", script], **pipes)


def test_what_a_tool_writes_arrives_whole():
    got = bytearray()
    with sh("head -c 5000000 /dev/zero | tr '\\0' x", stdout=True) as tool:
        pump(tool.stdout, [got.extend], Stop())
        assert tool.wait() == 0
    assert got == b"x" * 5_000_000


@pytest.mark.parametrize(
    ("script", "reason", "says"),
    [
        ("exit 3", Reason.DUMP_FAILED, "sh exited 3 while dumping: no message"),
        ("echo 'pg_dump: error: oh' >&2; exit 1", Reason.DUMP_FAILED, "sh exited 1 while dumping: pg_dump: error: oh"),
        ("kill -9 $$", Reason.DUMP_KILLED, "sh was killed by SIGKILL while dumping"),
        ("kill -11 $$", Reason.DUMP_KILLED, "SIGSEGV"),
        ("echo 'could not write: No space left on device' >&2; exit 1", Reason.DISK_FULL, "No space left on device"),
    ],
)
def test_anything_but_0_is_a_failure(script, reason, says):
    with sh(script) as tool, pytest.raises(HoldfastError) as caught:
        check(tool, tool.wait(), Reason.DUMP_FAILED, "dumping")
    assert caught.value.reason is reason
    assert says in caught.value.message


@pytest.mark.parametrize(("failed", "disk"), [(Reason.DUMP_FAILED, "node"), (Reason.RESTORE_FAILED, "database server")])
def test_the_disk_that_is_full_is_named_a_restore_writes_to_the_servers(failed, disk):
    script = "echo 'ERROR: could not extend file: No space left on device' >&2; exit 3"
    with sh(script) as tool, pytest.raises(HoldfastError) as caught:
        check(tool, tool.wait(), failed, "at it")
    assert caught.value.reason is Reason.DISK_FULL
    assert f"on the disk of the {disk}" in caught.value.remedy or f"the {disk}'s disk" in caught.value.remedy


def test_0_is_none():
    with sh("exit 0") as tool:
        check(tool, tool.wait(), Reason.DUMP_FAILED, "dumping")


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("permission denied for table t", "GRANT"),
        ("server closed the connection unexpectedly", "log"),
        ("what?", "tool's own"),
    ],
)
def test_the_remedy_fits_what_the_tool_said(said, remedy):
    with sh(f"echo '{said}' >&2; exit 1") as tool, pytest.raises(HoldfastError) as caught:
        check(tool, tool.wait(), Reason.DUMP_FAILED, "dumping")
    assert remedy in caught.value.remedy


def test_what_a_tool_says_is_kept_bounded_and_keeps_the_end():
    with sh(
        "i=0; while [ $i -lt 2000 ]; do echo line $i >&2; i=$((i+1)); done; head -c 300000 /dev/zero >&2; echo last >&2"
    ) as tool:
        assert tool.wait() == 0
        assert tool.said().endswith("last")
        assert len(tool._lines) <= STDERR_LINES
        assert len(tool.said()) <= 1000


def test_leaving_the_block_ends_the_tool_with_its_workers():
    with sh("sleep 1000 & echo $!; wait", stdout=True) as tool:
        worker = int(tool.stdout.readline())
    until = time.monotonic() + ENOUGH
    while alive(worker):
        assert time.monotonic() < until


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_stop_kills_the_tool_and_the_stream_ends_with_the_stops_error():
    stop = Stop()
    with sh("echo x; sleep 1000", stdout=True) as tool, stop.calling(tool.kill):
        asked = HoldfastError(Reason.INTERRUPTED, "told to end", "apply a new one")
        with pytest.raises(HoldfastError, match="told to end"):
            pump(tool.stdout, [lambda _: stop.request(asked)], stop)
        assert tool.wait() == -9


def test_a_reader_that_fails_is_told_at_once():
    with sh("head -c 10 >/dev/null; echo bad header >&2; exit 1", stdin=True) as tool:
        feed = Feed(tool, Reason.ARCHIVE_UNREADABLE, "reading")
        with pytest.raises(HoldfastError, match="bad header") as caught:
            feed.write(memoryview(bytes(100 << 20)))
    assert caught.value.reason is Reason.ARCHIVE_UNREADABLE


def test_a_reader_that_has_read_enough_does_not_end_the_stream():
    with sh("head -c 10 >/dev/null", stdin=True) as tool:
        feed = Feed(tool, Reason.ARCHIVE_UNREADABLE, "reading")
        for _ in range(20):
            feed.write(memoryview(bytes(1 << 20)))
        check(tool, tool.wait(), Reason.ARCHIVE_UNREADABLE, "reading")


def test_a_tool_that_is_not_there_is_told():
    with pytest.raises(HoldfastError, match="pg_nothing is not in this image") as caught:
        find("pg_nothing")
    assert caught.value.reason is Reason.TOOL_NOT_FOUND


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)", ("pg_dump 15.20", 15)),
        ("pg_dump (PostgreSQL) 17.5", ("pg_dump 17.5", 17)),
        ("pg_dump (PostgreSQL) 19beta2", ("pg_dump 19beta2", 19)),
        ("pg_dump (PostgreSQL) 18devel", ("pg_dump 18devel", 18)),
    ],
)
def test_a_tools_version_is_read(tmp_path, monkeypatch, said, expected):
    tool = tmp_path / "pg_dump"
    tool.write_text(f"#!/bin/sh\necho '{said}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert version("pg_dump") == expected
