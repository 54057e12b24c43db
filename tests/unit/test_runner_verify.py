"""The verification of a backup that is there: what was changed in the bucket is noticed and named, nothing is touched.

Each backup is taken by the real task, from tools that are scripts; what a reader is told is what lies in the bucket.
"""

import gzip
import io
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from tests.fake_s3 import client_error
from tests.runner_bench import (
    ALICE,
    CHECKSUM,
    EVE,
    MANIFEST,
    READBACK,
    SCRIPT,
    TO_ALICE,
    Bench,
)  # fmt: skip

from holdfast.api.database import Database
from holdfast.contract.manifest import ManifestTable
from holdfast.contract.report import CheckedBy
from holdfast.contract.task import Pinned
from holdfast.errors import ExitCode, HoldfastError, Reason
from holdfast.runner.bucket.store import Store
from holdfast.runner.engines.postgres.server import Server
from holdfast.runner.pod.result import UncleanError
from holdfast.runner.tasks import comparing


@pytest.fixture
def bench(monkeypatch, tmp_path):
    made = Bench(tmp_path)
    monkeypatch.setattr("holdfast.runner.bucket.store.connect", lambda s3, _: Store(s3, made.s3))
    monkeypatch.setattr(
        "holdfast.runner.engines.postgres.server.inspect", lambda *_: Server("db", "5432", "PostgreSQL 17.5", 17, 1000)
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return made


def a_directory(bench: Bench) -> None:
    bench.tool("pg_dump", 'for a; do case $a in --file=*) f=${a#--file=};; esac; done; mkdir "$f"; '
                          'cp "$FOLDER/script.sql" "$f/toc.dat"')  # fmt: skip


ALL = ["size", "sha256", "uncompressedBytes", "rows", "schema"]


@pytest.mark.parametrize("algorithm", ["gzip", "zstd", "none"])
@pytest.mark.parametrize("form", ["sql", "custom", "directory"])
def test_a_backup_of_each_form_is_read_back_and_all_of_it_compared(bench, form, algorithm):
    if form == "directory":
        a_directory(bench)
    bench.back_up(form, algorithm)

    found = bench.verify()

    assert found.compared == ALL
    assert (found.level, found.checked_by) == (READBACK, CheckedBy.READBACK)
    assert found.file_readable.startswith("read back: ")


def test_checksums_alone_read_nothing(bench):
    bench.back_up()
    bench.s3.calls.clear()

    found = bench.verify(CHECKSUM)

    assert (found.checked_by, found.compared) == (CheckedBy.STORE_CHECKSUM, ["size", "storeChecksum"])
    assert bench.s3.calls.count("get_object") == 1, "the manifest"


def test_where_the_store_has_no_checksums_the_level_checksum_reads_back_and_says_so(bench):
    bench.back_up()
    bench.s3.checksum.clear()

    found = bench.verify(CHECKSUM)

    assert (found.level, found.checked_by, found.compared) == (CHECKSUM, CheckedBy.READBACK, ["size", "sha256"])


def altered(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("algorithm", ["gzip", "none"])
@pytest.mark.parametrize("where", [0.0, 0.5, 0.99])
def test_a_byte_that_changed_is_a_wrong_checksum_wherever_it_is(bench, algorithm, encrypted, where):
    bench.back_up(algorithm=algorithm, encryption=TO_ALICE if encrypted else None)
    bench.identity(ALICE)
    stored = bench.s3.objects[bench.key]
    bench.s3.objects[bench.key] = altered(stored, int(len(stored) * where))

    error = bench.fails()

    assert (error.reason, error.exit_code) == (Reason.CHECKSUM_MISMATCH, 5)
    assert "its manifest says" in error.message


def gone(bench: Bench) -> None:
    del bench.s3.objects[bench.key]


def shorter(bench: Bench) -> None:
    bench.s3.objects[bench.key] = bench.s3.objects[bench.key][:-1]


def other_content(script: str) -> Callable[[Bench], None]:
    return lambda bench: bench.replace(gzip.compress(script.encode()))


def said(change: Callable[[dict[str, Any]], object]) -> Callable[[Bench], None]:
    return lambda bench: bench.rewrite(change)


CHANGES: dict[str, tuple[Callable[[Bench], None], Reason, str]] = {
    "no artifact": (gone, Reason.BACKUP_NOT_FOUND, "has no eu-1"),
    "no manifest": (lambda b: b.s3.objects.pop(MANIFEST), Reason.BACKUP_NOT_FOUND, "has no eu-1"),
    "another size": (shorter, Reason.SIZE_IMPLAUSIBLE, "bytes in the bucket"),
    "a row less": (other_content(SCRIPT.replace("one\n2", "one 2")), Reason.CONTENT_MISMATCH, "2 rows of table"),
    "a script cut short": (other_content(SCRIPT.replace("-- PostgreSQL database dump complete", "-- "
                                                         "PostgreSQL database dump com_lete")),
                           Reason.END_MARK_MISSING, "does not end in"),
    "half a gzip stream": (lambda b: b.replace(b.s3.objects[b.key][:-9]), Reason.ARCHIVE_UNREADABLE, "gzip"),
    "other rows said": (said(lambda m: m["tables"][0].update(rows=4)), Reason.CONTENT_MISMATCH,
                        "it has 3 rows of table public.orders, but its manifest says 4"),
    "a table more said": (said(lambda m: m["tables"].append({"name": "x", "rows": 0})), Reason.CONTENT_MISMATCH,
                          "does not have table x, but its manifest says 0"),
    "a table less said": (said(lambda m: m["tables"].pop()), Reason.CONTENT_MISMATCH,
                          "it has 0 rows of table public.empty, but its manifest does not name it"),
    "another schema said": (said(lambda m: m.update(schemaSha256="0" * 64)), Reason.CONTENT_MISMATCH, "hash of its s"),
    "another size said": (said(lambda m: m["artifact"].update(uncompressedBytes=7)), Reason.CONTENT_MISMATCH,
                          "bytes when decompressed, but its manifest says 7"),
    "another checksum said": (said(lambda m: m["artifact"].update(sha256="0" * 64)), Reason.CHECKSUM_MISMATCH,
                              "its manifest says 0000"),
    "a format nobody knows": (said(lambda m: m["artifact"].update(format="dbf")), Reason.MANIFEST_CONFLICT, "'dbf'"),
    "another backup's": (said(lambda m: m["backup"].update(uid="x")), Reason.MANIFEST_CONFLICT, "another backup"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "reason", "says"), CHANGES.values(), ids=CHANGES)
def test_what_was_changed_in_the_bucket_is_named(bench, change, reason, says):
    bench.back_up()
    change(bench)

    error = bench.fails()

    assert error.reason is reason
    assert says in error.message


def test_an_artifact_and_a_manifest_that_were_both_replaced_are_not_what_the_resource_remembers(bench):
    report = bench.back_up()
    pinned = Pinned(sha256=report.sha256)
    bench.verify(pinned=pinned)
    bench.replace(gzip.compress(SCRIPT.encode()))
    bench.verify()  # nothing in the bucket alone tells

    for level in (CHECKSUM, READBACK):
        error = bench.fails(level, pinned=pinned)
        assert error.reason is Reason.CHECKSUM_MISMATCH
        assert f"status says {report.sha256}" in error.message


@pytest.mark.parametrize("level", [CHECKSUM, READBACK])
def test_a_backup_of_which_nothing_is_left_is_told_from_one_that_lacks_a_part(bench, level):
    bench.back_up()
    bench.s3.objects.clear()

    error = bench.fails(level)

    assert (error.reason, error.exit_code) == (Reason.BACKUP_GONE, 6)
    assert "retention.mode External" in error.remedy


def test_where_the_folder_may_not_be_listed_only_the_manifest_is_known_to_be_missing(bench):
    bench.back_up()
    bench.s3.objects.clear()

    def denied():
        raise client_error("AccessDenied", 403)

    bench.s3.faults["list_objects_v2"] = denied
    assert bench.fails().reason is Reason.BACKUP_NOT_FOUND


def test_a_store_that_does_not_list_says_nothing_about_the_backup(bench):
    bench.back_up()
    bench.s3.objects.clear()

    def down():
        raise client_error("InternalError", 500)

    bench.s3.faults["list_objects_v2"] = down
    assert bench.fails().reason is Reason.STORAGE_UNAVAILABLE


@pytest.mark.parametrize("level", [CHECKSUM, READBACK])
def test_a_store_that_does_not_answer_says_nothing_about_the_backup(bench, level):
    bench.back_up()

    def down():
        raise client_error("InternalError", 500)

    bench.s3.faults["head_object"] = down
    assert bench.fails(level).exit_code is ExitCode.STORAGE


class BrokenOff(io.BytesIO):
    """A body whose connection breaks after so many bytes."""

    def __init__(self, data: bytes, after: int) -> None:
        super().__init__(data[:after])

    def read(self, size: int | None = -1, /) -> bytes:
        if chunk := super().read(size):
            return chunk
        raise ReadTimeoutError(endpoint_url="http://s3")


def breaking_off(bench: Bench, after: int) -> None:
    """Let each answer with the artifact end after so many bytes."""

    def broken(answer: dict[str, Any]) -> dict[str, Any]:
        data = answer["Body"].read()
        whole = len(data) <= after or data.startswith(b"{")
        return {"Body": io.BytesIO(data) if whole else BrokenOff(data, after)}

    bench.s3.after["get_object"] = broken


def test_a_store_that_breaks_off_again_and_again_is_read_on_from_there(bench, monkeypatch):
    monkeypatch.setattr(comparing, "PAUSE", 0.0)
    bench.back_up(algorithm="none")
    breaking_off(bench, 10)
    bench.s3.calls.clear()

    assert bench.verify().compared == ALL
    assert bench.s3.calls.count("get_object") > 20


def test_a_store_that_gives_nothing_any_more_is_given_up(bench, monkeypatch):
    monkeypatch.setattr(comparing, "PAUSE", 0.0)
    bench.back_up(algorithm="none")
    breaking_off(bench, 0)
    bench.s3.calls.clear()

    assert bench.fails().reason is Reason.STORAGE_UNAVAILABLE
    assert bench.s3.calls.count("get_object") == 1 + 1 + comparing.RESUMES


def test_an_encrypted_backup_with_an_identity_is_read_to_its_rows(bench):
    bench.back_up(encryption=TO_ALICE)
    bench.identity(ALICE)
    assert bench.verify().compared == ALL


def test_an_encrypted_backup_without_an_identity_is_read_as_far_as_the_ciphertext_and_says_so(bench):
    bench.back_up(encryption=TO_ALICE)
    found = bench.verify()
    assert found.compared == ["size", "sha256"]
    assert found.file_readable == "read back, but only the encrypted bytes, since there is no identity"


def test_an_identity_that_was_named_must_be_there(bench):
    bench.back_up(encryption=TO_ALICE)
    assert bench.fails(identity_secret="keys").reason is Reason.SECRET_MISSING


def test_an_identity_of_somebody_else_is_told_before_anything_is_read(bench):
    bench.back_up(encryption=TO_ALICE)
    bench.identity(EVE)
    bench.s3.calls.clear()
    assert bench.fails().reason is Reason.IDENTITY_MISMATCH
    assert bench.s3.calls.count("get_object") == 1, "the manifest"


def test_another_release_of_pg_restore_compares_rows_but_no_schema(bench):
    bench.back_up("custom")
    bench.rewrite(lambda m: m["tool"].update(version="pg_dump 17.4"))
    assert bench.verify().compared == ["size", "sha256", "uncompressedBytes", "rows"]


def test_an_archive_that_pg_restore_refuses_is_unreadable(bench):
    bench.back_up("custom")
    bench.tool("pg_restore", "cat > /dev/null; echo 'unexpected end of file' >&2; exit 1")
    error = bench.fails()
    assert error.reason is Reason.ARCHIVE_UNREADABLE
    assert "unexpected end of file" in error.message


@pytest.mark.parametrize("form", ["custom", "directory"])
def test_a_pg_restore_that_is_killed_says_nothing_about_the_archive(bench, form):
    if form == "directory":
        a_directory(bench)
    bench.back_up(form)
    bench.tool("pg_restore", "kill -9 $$")
    assert bench.fails().exit_code is ExitCode.DUMP


def test_no_room_on_the_scratch_volume_is_told_before_anything_is_written(bench):
    a_directory(bench)
    bench.back_up("directory")
    assert bench.fails(scratch_bytes=1000).reason is Reason.SCRATCH_TOO_SMALL


def test_a_new_backup_is_read_back_before_it_is_published(bench):
    report = bench.back_up(verification=READBACK)

    assert (report.level, report.checked_by, report.compared) == (READBACK, CheckedBy.READBACK, ALL)
    assert report.file_readable == "end of dump seen; read back: end of dump seen"
    assert bench.manifest.verification.level == "readback"
    reading = max(number for number, call in enumerate(bench.s3.calls) if call == "head_object")
    assert bench.s3.calls.index("put_object") > reading


@pytest.mark.parametrize("form", ["custom", "directory"])
def test_a_new_backup_that_was_staged_has_the_scratch_volume_again_to_be_read_back(bench, form):
    if form == "directory":
        a_directory(bench)
    report = bench.back_up(form, verification=READBACK, scratch_bytes=10_300 if form == "directory" else None)
    assert report.compared == ALL


def test_a_new_backup_says_how_it_was_verified(bench):
    report = bench.back_up()
    assert (report.level, report.checked_by) == (CHECKSUM, CheckedBy.STORE_CHECKSUM)
    assert report.compared == ["size", "storeChecksum"]
    assert bench.manifest.verification.checked_by == "StoreChecksum"


def test_a_new_backup_in_a_store_without_checksums_says_that_it_was_read_back(bench):
    bench.s3._checksums = False
    report = bench.back_up()
    assert (report.level, report.checked_by) == (CHECKSUM, CheckedBy.READBACK)
    assert report.compared == ["size", "sha256"]
    assert bench.manifest.verification.checked_by == "Readback"


def test_a_new_backup_that_reads_back_as_something_else_is_removed(bench, monkeypatch):
    end = bench.s3._end

    def spoiled(operation, answer):
        if operation == "complete_multipart_upload":
            key, data = next(iter(bench.s3.objects.items()))
            bench.s3.objects[key] = altered(data, len(data) // 2)
        return end(operation, answer)

    bench.s3._end = spoiled
    with pytest.raises((HoldfastError, UncleanError)) as caught:
        bench.back_up(verification=READBACK)
    assert caught.value.reason is Reason.CHECKSUM_MISMATCH
    assert bench.s3.objects == {}


def test_a_new_backup_with_an_identity_is_decrypted_and_one_whose_identity_is_not_there_is_not_begun(bench):
    with pytest.raises(HoldfastError) as caught:
        bench.back_up(encryption=TO_ALICE, verification=READBACK, identity_secret="keys")
    assert caught.value.reason is Reason.SECRET_MISSING
    assert bench.s3.objects == {}

    bench.identity(ALICE)
    report = bench.back_up(encryption=TO_ALICE, verification=READBACK, identity_secret="keys")
    assert report.compared == ALL


def a_file(bench: Bench, rows: int = 100) -> Database:
    with closing(sqlite3.connect(bench.folder / "claim/app.db")) as database:
        database.execute("create table t (x)")
        database.executemany("insert into t values (?)", [(str(number) * 50,) for number in range(rows)])
        database.commit()
    volume = {"claimName": "app-data", "path": "app.db"}
    return Database.model_validate({"engine": "sqlite", "name": "app", "volume": volume})


def test_an_sqlite_file_is_written_to_the_scratch_volume_and_checked_there(bench):
    report = bench.back_up("sqlite", database=a_file(bench), verification=READBACK)
    assert report.file_readable == "integrity_check passed on the copy; read back: integrity_check passed"
    assert report.compared == bench.verify(engine="sqlite").compared == ALL


def test_an_sqlite_file_with_other_rows_than_its_manifest_says_is_noticed(bench):
    bench.back_up("sqlite", database=a_file(bench))
    bench.rewrite(lambda m: m["tables"][0].update(rows=99))
    error = bench.fails(engine="sqlite")
    assert error.reason is Reason.CONTENT_MISMATCH
    assert "it has 100 rows of table t, but its manifest says 99" in error.message


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda data: data[:4096] + bytes(4096) + data[8192:], id="an empty page"),
        pytest.param(lambda data: b"x" * len(data), id="no database"),
    ],
)
def test_an_sqlite_file_that_is_damaged_is_unreadable(bench, spoil):
    bench.back_up("sqlite", "none", database=a_file(bench))
    bench.replace(spoil(bench.s3.objects[bench.key]))
    error = bench.fails(engine="sqlite")
    assert (error.reason, error.exit_code) == (Reason.ARCHIVE_UNREADABLE, 5)
    assert "the stored database" in error.message


def test_the_first_difference_of_two_lists_of_tables_is_none_where_they_are_the_same():
    tables = [ManifestTable(name=name, rows=rows) for name, rows in (("a", 1), ("b", 2))]
    assert comparing.first_difference(tables, list(reversed(tables))) is None
