"""A manifest lies where others may write: it is bounded, held to our forms, and what the cluster knows wins over it."""

import gzip
import io
import json
import os
import re
import subprocess
import sys

import pytest
from tests.patience import ENOUGH
from tests.runner_bench import ALICE, CHECKSUM, MANIFEST, PREFIX, READBACK, SCRIPT, TO_ALICE, Bench

from holdfast.contract.manifest import Manifest, ManifestTable
from holdfast.contract.task import Pinned
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket import manifest_forms
from holdfast.runner.bucket.store import Store
from holdfast.runner.engines.postgres.server import Server
from holdfast.runner.engines.postgres.target import Found, Seen
from holdfast.runner.engines.protocol import Came
from holdfast.runner.pod.log import Log

SHELL = SCRIPT.replace("COPY public.orders", "\\! touch broken-out\nCOPY public.orders")


@pytest.fixture
def bench(monkeypatch, tmp_path):
    made = Bench(tmp_path)
    monkeypatch.setattr("holdfast.runner.bucket.store.connect", lambda s3, _: Store(s3, made.s3))
    monkeypatch.setattr(
        "holdfast.runner.engines.postgres.server.inspect", lambda *_: Server("db", "5432", "PostgreSQL 17.5", 17, 1000)
    )
    monkeypatch.setattr("holdfast.runner.engines.postgres.server.user_objects", lambda *_: [])
    monkeypatch.setattr("holdfast.runner.engines.postgres.target.look", lambda *_: made.target)
    monkeypatch.setattr(
        "holdfast.runner.engines.postgres.after.look", lambda _, __, manifest, ___: (Came(manifest.tables or []), [])
    )
    made.target = Seen()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    made.tool("psql", 'cat > "$FOLDER/restored"')
    return made


def restored(bench):
    """What reached psql; None where it was never started."""
    file = bench.folder / "restored"
    return file.read_bytes().decode() if file.exists() else None


def what_the_cluster_knows(bench) -> Pinned:
    artifact = bench.manifest.artifact
    return Pinned(
        sha256=artifact.sha256, size_bytes=artifact.size_bytes, uncompressed_bytes=artifact.uncompressed_bytes,
        engine="postgresql", format=artifact.format, compression=artifact.compression,
        encryption="age" if artifact.encryption else "none",
    )  # fmt: skip


def put_a_plain_script_in_its_place(bench):
    """As somebody does who may write to the bucket: artifact, checksum and manifest fit each other."""
    data = gzip.compress(SHELL.encode())
    bench.replace(data)
    bench.rewrite(lambda said: said["artifact"].pop("encryption", None))
    bench.rewrite(lambda said: said["artifact"].update(uncompressedBytes=len(SHELL.encode())))


def test_what_is_as_the_cluster_remembers_is_restored(bench):
    bench.back_up()
    bench.restore(what_the_cluster_knows(bench))
    assert "COPY public.orders" in restored(bench)


@pytest.mark.parametrize("what", ["sha256", "size_bytes", "encryption"])
def test_a_plain_script_in_the_place_of_an_encrypted_dump_reaches_no_tool(bench, what):
    bench.back_up(encryption=TO_ALICE)
    known = what_the_cluster_knows(bench)
    bench.identity(ALICE)
    put_a_plain_script_in_its_place(bench)
    only = Pinned(**{what: getattr(known, what)})  # an older status may have no more
    for pinned in (known, only):
        with pytest.raises(HoldfastError, match="the DatabaseBackup's status says") as caught:
            bench.restore(pinned)
        assert caught.value.exit_code == 5
        assert "nothing of it was used" in caught.value.remedy
        for level in (CHECKSUM, READBACK):
            assert "status says" in bench.fails(level, pinned=pinned).message
    assert restored(bench) is None


def test_without_the_clusters_memory_an_identity_that_is_mounted_means_that_it_must_be_encrypted(bench):
    bench.back_up(encryption=TO_ALICE)
    bench.identity(ALICE)
    bench.restore()
    assert "COPY public.orders" in restored(bench)
    (bench.folder / "restored").unlink()
    put_a_plain_script_in_its_place(bench)
    with pytest.raises(HoldfastError, match="not encrypted, but an identity is mounted") as caught:
        bench.restore()
    assert caught.value.reason is Reason.MANIFEST_CONFLICT
    assert restored(bench) is None


PINNED = {
    "the format": {"format": "custom"}, "the compression": {"compression": "zstd"}, "the engine": {"engine": "mysql"},
    "the uncompressed size": {"uncompressed_bytes": 1}, "the size": {"size_bytes": 1}, "the sum": {"sha256": "0" * 64},
    "the encryption": {"encryption": "age"},
}  # fmt: skip


@pytest.mark.parametrize("remembered", PINNED.values(), ids=PINNED.keys())
def test_each_thing_that_the_cluster_remembers_wins_over_the_manifest(bench, remembered):
    bench.back_up()
    with pytest.raises(HoldfastError, match="status says"):
        bench.restore(Pinned(**remembered))
    assert restored(bench) is None
    assert "status says" in bench.fails(READBACK, pinned=Pinned(**remembered)).message


def test_a_manifest_that_lies_there_before_a_backup_is_not_believed_where_it_is_not_what_was_asked_for(bench):
    bench.back_up()
    with pytest.raises(HoldfastError, match="encryption is none, but the DatabaseBackup's status says age"):
        bench.back_up(encryption=TO_ALICE)


def test_not_a_byte_reaches_the_tool_before_the_sum_of_all_is_known(bench):
    bench.back_up("sql", "none")
    data = bench.s3.objects[bench.key]
    bench.s3.objects[bench.key] = data.replace(b"two", b"TWO")
    with pytest.raises(HoldfastError, match="its SHA-256 is") as caught:
        bench.restore()
    assert caught.value.reason is Reason.CHECKSUM_MISMATCH
    assert restored(bench) is None, "the first reading found it out: psql was not started"


def test_an_artifact_that_changes_between_the_two_readings_never_comes_to_its_end(bench):
    bench.back_up("sql", "none")
    data, reads = bench.s3.objects[bench.key], []

    def changed(answer):
        reads.append(answer)
        if len(reads) > 2:  # the manifest, the first reading, the second
            answer["Body"] = io.BytesIO(data.replace(b"two", b"TWO"))
        return answer

    bench.s3.after["get_object"] = changed
    with pytest.raises(HoldfastError, match="its SHA-256 is"):
        bench.restore()
    assert "dump complete" not in (restored(bench) or "")


def test_a_directory_restore_that_failed_is_none(bench):
    """It is no transaction, and its exit code is all that tells."""
    bench.tool("pg_dump", 'for a; do case $a in --file=*) f=${a#--file=};; esac; done; mkdir "$f"; '
                          'cp "$FOLDER/script.sql" "$f/toc.dat"')  # fmt: skip
    bench.back_up("directory", scratch_bytes=1 << 30)
    restoring = {"scratch_bytes": 1 << 30, "jobs": 2}
    assert bench.restore(**restoring).message.startswith("restored ")
    bench.tool("pg_restore", "echo 'pg_restore: error: oh' >&2; exit 1")
    with pytest.raises(HoldfastError, match="pg_restore exited 1 while restoring: pg_restore: error: oh") as caught:
        bench.restore(**restoring)
    assert caught.value.reason is Reason.RESTORE_FAILED


def test_a_script_is_restored_in_one_transaction_by_a_psql_that_takes_no_command(bench):
    bench.back_up()
    bench.tool("psql", 'cat > "$FOLDER/restored"; printf "%s\\n" "$@" > "$FOLDER/argv"; env > "$FOLDER/environment"')
    bench.restore()
    assert restored(bench).startswith("\\restrict ")
    arguments = (bench.folder / "argv").read_text().split("\n")
    assert {"--single-transaction", "--set=ON_ERROR_STOP=1", "--no-psqlrc", "--file=-"} <= set(arguments)
    assert "PGSERVICEFILE=" in (bench.folder / "environment").read_text()


def test_limits_that_the_target_sets_are_lifted_and_what_it_lacks_stops_the_restore_before_a_byte_flows(bench):
    bench.back_up()
    bench.tool("psql", 'cat > /dev/null; env > "$FOLDER/environment"')
    bench.target = Seen(limits={"statement_timeout": "0", "lock_timeout": "0"}, lacking=Found(warnings=["no comment"]))
    assert bench.restore().warnings[:1] == ["no comment"]
    assert "PGOPTIONS=-c lock_timeout=0 -c statement_timeout=0\n" in (bench.folder / "environment").read_text()

    bench.target = Seen(lacking=Found(missing=["the role reader does not exist"], run=["CREATE ROLE reader"]))
    fetched = []
    bench.s3.after["get_object"] = lambda answer: fetched.append(answer) or answer
    with pytest.raises(HoldfastError, match="the role reader does not exist; nothing was changed") as caught:
        bench.restore()
    assert caught.value.reason is Reason.TARGET_NOT_READY
    assert "CREATE ROLE reader" in caught.value.remedy
    assert len(fetched) == 1, "the manifest alone"


def test_what_is_more_than_its_manifest_says_is_cut_off(bench):
    bench.back_up()
    bench.rewrite(lambda said: said["artifact"].update(uncompressedBytes=100))
    with pytest.raises(HoldfastError, match="more bytes when decompressed than its manifest says") as caught:
        bench.restore()
    assert caught.value.reason is Reason.CONTENT_MISMATCH


# forms


def changed(*path, to):
    def change(said):
        for name in path[:-1]:
            said = said[name]
        said[path[-1]] = to

    return change


NOT_OURS = {
    "a key outside the folder": changed("artifact", "key", to="eu-1/shop/other/pod-1.sql.gz"),
    "a key that climbs out": changed("artifact", "key", to=f"{PREFIX}../other/pod-1.sql.gz"),
    "a key in a folder below": changed("artifact", "key", to=f"{PREFIX}deeper/pod-1.sql.gz"),
    "a key with a line break": changed("artifact", "key", to=f"{PREFIX}pod-1.sql.gz\n"),
    "the folder itself": changed("artifact", "key", to=PREFIX),
    "the manifest itself": changed("artifact", "key", to=f"{PREFIX}.."),
    "a sum that is none": changed("artifact", "sha256", to="\x1b[31m"),
    "a format with a line break": changed("artifact", "format", to="sql\n"),
    "a name that moves the cursor": changed("backup", "name", to="x\x1b[2J"),
    "a size below zero": changed("artifact", "sizeBytes", to=-1),
    "a size beyond all": changed("artifact", "uncompressedBytes", to=1 << 64),
    "rows beyond all": changed("rows", to=10**30),
    "a recipient that is none": changed("artifact", "encryption", to={"method": "age", "recipients": ["$(id)"]}),
    "a checksum that is none": changed("artifact", "storeChecksum", to="`id`"),
    "a Pod's uid that is none": changed("podUid", to="../x"),
}


@pytest.mark.parametrize("change", NOT_OURS.values(), ids=NOT_OURS.keys())
def test_what_we_never_write_is_refused_by_the_fields_name_and_not_repeated_raw(bench, change):
    bench.back_up()
    bench.rewrite(change)
    error = bench.fails(READBACK)
    assert error.reason is Reason.MANIFEST_CONFLICT
    assert error.message.isprintable()
    assert "who else writes to this bucket" in error.remedy


HOSTILE = {
    "600 MB of nothing": b" " * (33 << 20),
    "a list in a list in a list": b"[" * 1_000_000,
    "an object in an object": b'{"a":' * 1_000_000,
    "a number of a million digits": b'{"version":' + b"9" * 1_000_000 + b"}",
    "a list of two million": b'{"tables":[' + b"1," * 2_000_000 + b"1]}",
    "a list as long as may be": b'{"tables":[' + b"1," * 640_000 + b"1]}",
    "tables without end": b'{"tables":[' + b'{"name":"a","rows":1},' * 210_000 + b"{}]}",
    "unknown fields": b'{"x":[' + b'{"a":1},' * 320_000 + b"1]}",
    "half a character": b'{"version":"\xff"}',
    "half a pair": b'{"version":"\\ud800"}',
    "no JSON": b"NaN",
}


# Imports once what a process needs that reads a manifest; then reads each in a fork of itself, with as much memory as a
# small Pod has besides what Python and the models take.
READER = """
import os, pathlib, resource, sys
from holdfast.runner.bucket import manifest_forms
from holdfast.contract.manifest import Manifest
from holdfast.errors import HoldfastError

for name in sys.argv[1:]:
    if os.fork() == 0:
        used = int(pathlib.Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (250 << 20),) * 2)
        try:
            manifest_forms.parsed(pathlib.Path(name).read_bytes(), 'f/manifest.json', Manifest)
        except HoldfastError as error:
            pathlib.Path(name + '.said').write_text(f'{error.reason} | {error.message} | {error.remedy}')
        sys.exit()
    os.wait()
"""


def test_a_hostile_manifest_costs_little_and_is_told_with_a_remedy_that_fits(tmp_path):
    for number, data in enumerate(HOSTILE.values()):
        (tmp_path / str(number)).write_bytes(data)
    names = [str(tmp_path / str(number)) for number in range(len(HOSTILE))]
    subprocess.run([sys.executable, "-c", READER, *names], timeout=ENOUGH, check=True)
    files = [tmp_path / f"{number}.said" for number in range(len(HOSTILE))]
    said = {name: file.read_text() if file.exists() else "" for name, file in zip(HOSTILE, files, strict=True)}
    told = re.compile(
        r"ManifestConflict \| f/manifest\.json is (?!.*memory).*who else writes to this bucket.*", re.DOTALL
    )
    assert {name: text for name, text in said.items() if not told.fullmatch(text)} == {}


def test_a_manifest_without_end_is_read_no_further_than_an_honest_one_goes(bench):
    bench.back_up()

    class Endless(io.RawIOBase):
        asked = 0

        def read(self, size=-1):
            assert size >= 0, "all of it was asked for"
            Endless.asked += size
            return b" " * size

    bench.s3.after["get_object"] = lambda answer: answer | {"Body": Endless()}
    assert bench.fails(READBACK).reason is Reason.MANIFEST_CONFLICT
    assert Endless.asked == manifest_forms.MOST_BYTES + 1


def test_the_manifest_of_a_hundred_thousand_tables_with_long_names_is_read(bench):
    bench.back_up()
    a_table = ManifestTable.model_construct  # that many are not looked at twice
    tables = [a_table(name=f'"{"s" * 60}"."{"t" * 55}{number}"', rows=number) for number in range(100_000)]
    large = bench.manifest.model_copy(update={"tables": tables})
    assert manifest_forms.fitting(large) == (large, [])
    assert manifest_forms.parsed(large.to_json(), MANIFEST, Manifest) == large


def test_a_manifest_that_would_be_too_large_to_read_is_written_without_its_lists_and_says_so(bench, monkeypatch):
    monkeypatch.setattr(manifest_forms, "MOST_MARKS", 60)
    bench.back_up()
    tables = [ManifestTable(name="a", rows=1)] * 100
    smaller, warnings = manifest_forms.fitting(bench.manifest.model_copy(update={"tables": tables, "rows": 100}))
    assert (smaller.tables, smaller.rows) == (None, 100)
    assert warnings == ["the manifest lacks the list of its 100 tables, since it would be too large to read"]
    assert manifest_forms.parsed(smaller.to_json(), MANIFEST, Manifest) == smaller


def test_nothing_in_a_line_of_the_log_moves_a_terminals_cursor():
    out = io.StringIO()
    Log(out).line("x", message="\x1b[2J\x9b2J\u202eevil\x7f\n")
    assert out.getvalue().rstrip("\n").isprintable()
    assert json.loads(out.getvalue())["message"] == "\x1b[2J\x9b2J\u202eevil\x7f\n"
