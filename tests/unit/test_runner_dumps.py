"""Dumps with tools that misbehave as the real ones seldom do: each way of not being whole is noticed."""

import os
import tarfile

import pytest
from tests.builders import NOW
from tests.fake_s3 import FakeS3

from holdfast.api.policy import Dump
from holdfast.api.storage import S3Storage
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.compress import Plain
from holdfast.runner.artifact.stream import Sink
from holdfast.runner.bucket.part import Spool
from holdfast.runner.bucket.store import Store
from holdfast.runner.bucket.upload import Upload
from holdfast.runner.engines.postgres import dumps
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.stop import Stop

END = "echo '--'; echo '-- PostgreSQL database dump complete'; echo '--'"
WHOLE = f"echo 'create table t();'; {END}"
READS = f"cat > /dev/null; {WHOLE}"


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Put scripts in the place of pg_dump and pg_restore; `$folder` is where a directory dump goes."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def put(**scripts):
        for name, script in scripts.items():
            (folder / name).write_text(
                f'#!/bin/sh\nfor a; do case "$a" in --file=*) folder="${{a#--file=}}";; esac; done\n{script}\n'
            )
            (folder / name).chmod(0o755)

    return put


@pytest.fixture
def context(tmp_path):
    places = Places(run=tmp_path, scratch=tmp_path / "scratch", termination_log=tmp_path / "log")
    places.scratch.mkdir()
    return Context(places, Stop(), Log(), "pod-uid", NOW)


def take(context, form, scratch_bytes=None, size=100, target=None):
    """Dump with the algorithm none; return what was stored, how it was read, and what it held."""
    s3 = FakeS3()
    upload = Upload(Store(S3Storage(bucket="backups"), s3), "k", context.stop, Spool(context.places.spool, None))
    upload.begin()
    target = target or Target("db", "5432", "u", "orders", "prefer", context.places.run / "pgpass")
    dump = dumps.dumping(Dump.model_validate({"format": form}), target, context, size, scratch_bytes)
    progress = Progress(context.log, "dumping")
    with dump:
        sink = Sink(Plain(), upload, progress)
        readable = dump.stream(sink, progress)
        sink.close()
    upload.complete()
    return s3.objects["k"], readable, (dump.contents, target.warnings)


CASES = {
    "sql: exit 0 without the end mark": ("sql", "echo 'create table'", READS, Reason.END_MARK_MISSING),
    "sql: the end mark, then a failure": ("sql", f"{WHOLE}; exit 1", READS, Reason.DUMP_FAILED),
    "sql: nothing at all, exit 0": ("sql", "exit 0", READS, Reason.END_MARK_MISSING),
    "sql: killed": ("sql", f"{WHOLE}; kill -9 $$", READS, Reason.DUMP_KILLED),
    "custom: the reader cannot read it": ("custom", "echo rubbish", f"{READS}; exit 1", Reason.ARCHIVE_UNREADABLE),
    "custom: the reader gives up early": ("custom", "head -c 9000000 /dev/zero", "exit 1", Reason.ARCHIVE_UNREADABLE),
    "custom: the reader stops before the end": (
        "custom", "echo x", "cat > /dev/null; echo 'create table t();'", Reason.ARCHIVE_UNREADABLE,
    ),
    "custom: the reader is killed": ("custom", "echo x", f"{READS}; kill -9 $$", Reason.DUMP_KILLED),
    "custom: the dump fails and the reader is content": ("custom", "echo x; exit 1", READS, Reason.DUMP_FAILED),
    "custom: nothing at all": ("custom", "exit 0", READS, Reason.SIZE_IMPLAUSIBLE),
    "directory: the dump fails": ("directory", "mkdir $folder; exit 1", "exit 0", Reason.DUMP_FAILED),
    "directory: the reader cannot read it": ("directory", "mkdir $folder", "exit 1", Reason.ARCHIVE_UNREADABLE),
    "directory: the reader stops before the end": (
        "directory", "mkdir $folder", "echo 'create table t();'", Reason.ARCHIVE_UNREADABLE,
    ),
    "directory: the disk is full": (
        "directory", "echo 'could not write: No space left on device' >&2; exit 1", "exit 0", Reason.DISK_FULL,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("form", "pg_dump", "pg_restore", "reason"), CASES.values(), ids=CASES.keys())
def test_what_is_not_whole_is_noticed(tools, context, form, pg_dump, pg_restore, reason):
    tools(pg_dump=pg_dump, pg_restore=pg_restore)
    with pytest.raises(HoldfastError) as caught:
        take(context, form)
    assert caught.value.reason is reason
    assert list(context.places.scratch.iterdir()) == []


def test_a_whole_script_passes_as_it_is(tools, context):
    tools(pg_dump=WHOLE)
    stored, readable, _ = take(context, "sql")
    assert stored == b"create table t();\n--\n-- PostgreSQL database dump complete\n--\n"
    assert readable == "end of dump seen"


@pytest.mark.parametrize("form", ["sql", "custom", "directory"])
def test_what_the_tool_warns_of_is_kept_though_it_succeeds(tools, context, form):
    warning = "pg_dump: warning: subscriptions not dumped because current user is not a superuser"
    target = Target("db", "5432", "u", "orders", "prefer", context.places.run / "pgpass")
    said = f"echo '{warning}' >&2; echo 'pg_dump: reading' >&2"
    tools(pg_dump=f"{said}; [ -z $folder ] || {{ mkdir $folder; exit; }}; {WHOLE}", pg_restore=READS)
    take(context, form, target=target)
    assert target.warnings == [warning]


def test_an_archive_reaches_bucket_and_reader_alike(tools, context, tmp_path):
    tools(pg_dump="head -c 3000000 /dev/urandom", pg_restore=f"cat > {tmp_path}/seen; {WHOLE}")
    stored, readable, _ = take(context, "custom")
    assert stored == (tmp_path / "seen").read_bytes()
    assert len(stored) == 3_000_000
    assert readable == "read through by pg_restore"


def test_a_directory_becomes_a_tar_that_tells_nothing_of_who_made_it(tools, context, tmp_path):
    tools(pg_dump="mkdir $folder; echo toc > $folder/toc.dat; echo one > $folder/1.dat", pg_restore=WHOLE)
    stored, _, _ = take(context, "directory")
    (tmp_path / "t.tar").write_bytes(stored)
    with tarfile.open(tmp_path / "t.tar") as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == ["dump/1.dat", "dump/toc.dat"]
        assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}
    assert list(context.places.scratch.iterdir()) == []


ROWS = f"printf 'COPY public.t (i) FROM stdin;\\n1\\n2\\n\\\\.\\n'; {END}"


@pytest.mark.parametrize(
    ("form", "pg_dump", "pg_restore"),
    [("sql", ROWS, "exit 1"), ("custom", "echo x", f"cat > /dev/null; {ROWS}"), ("directory", "mkdir $folder", ROWS)],
)
def test_rows_are_counted_in_what_the_tool_writes_as_a_script(tools, context, form, pg_dump, pg_restore):
    tools(pg_dump=pg_dump, pg_restore=pg_restore)
    _, _, (contents, warnings) = take(context, form)
    assert [(table.name, table.rows) for table in contents.tables] == [("public.t", 2)]
    assert warnings == []


def test_rows_of_a_form_that_is_not_known_are_not_counted_and_that_is_said(tools, context):
    tools(pg_dump=f"echo 'COPY public.t (i) FROM stdin WITH (FORMAT csv);'; {END}")
    stored, _, (contents, warnings) = take(context, "sql")
    assert stored.endswith(b"--\n")
    assert contents is None
    assert warnings == ["rows were not counted: a COPY that pg_dump wrote has an unknown form"]


def test_a_fault_while_the_reader_is_heard_ends_the_dump_and_is_what_is_told(tools, context, monkeypatch):
    def fails(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("holdfast.runner.engines.postgres.script.Script.feed", fails)
    tools(pg_dump="head -c 30000000 /dev/zero", pg_restore="while :; do echo x; head -c 1000 > /dev/null; done")
    with pytest.raises(ZeroDivisionError):
        take(context, "custom")


def test_a_directory_that_outgrows_the_volume_is_ended_before_it_is_full(tools, context):
    tools(pg_dump="mkdir $folder; while :; do head -c 100000 /dev/zero >> $folder/1.dat; done")
    with pytest.raises(HoldfastError, match="the dump has reached") as caught:
        take(context, "directory", scratch_bytes=5_000_000)
    assert caught.value.reason is Reason.SCRATCH_TOO_SMALL
    assert list(context.places.scratch.iterdir()) == []


def test_the_arguments_leave_owners_and_grants_out_and_never_ask_for_a_password():
    for form in ("sql", "custom", "directory"):
        said = dumps.arguments(Dump.model_validate({"format": form, "jobs": 4}))
        assert {"--no-owner", "--no-acl", "--no-password"} <= set(said)
    assert "--jobs=4" in said
