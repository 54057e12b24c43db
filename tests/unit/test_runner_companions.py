"""Roles, owners and grants lie beside the dump, and go its way: named, checked, read back and removed as it is."""

import gzip
import hashlib
import os

import pyrage
import pytest
from tests.fake_s3 import client_error, sha256
from tests.runner_bench import ALICE, CHECKSUM, MANIFEST, PREFIX, READBACK, TO_ALICE, Bench

from holdfast.api.storage import S3Storage
from holdfast.contract.globals import VERSION, GlobalRole, Globals
from holdfast.contract.task import Pinned
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket import manifest_forms
from holdfast.runner.bucket.store import Store
from holdfast.runner.engines.postgres.server import Server
from holdfast.runner.pod.result import UncleanError
from holdfast.runner.tasks import companions
from holdfast.runner.tasks.dumps import Dumps

COMPANION = f"{PREFIX}pod-1.globals.json.gz"


def some_globals(**changes):
    fields = {"version": VERSION, "engine": "postgresql", "database": "orders", "owner": "shop",
              "roles": [GlobalRole(name="shop"), GlobalRole(name="reader", login=True)]}  # fmt: skip
    return Globals(**(fields | changes))


@pytest.fixture
def bench(monkeypatch, tmp_path):
    made = Bench(tmp_path)
    monkeypatch.setattr("holdfast.runner.bucket.store.connect", lambda s3, _: Store(s3, made.s3))
    server = Server("db", "5432", "PostgreSQL 17.5", 17, 1000, globals=some_globals())
    monkeypatch.setattr("holdfast.runner.engines.postgres.server.inspect", lambda *_: server)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return made


def put(bench, data, **says):
    """Put another companion there, and let the manifest say so, but for what `says` changes."""
    bench.s3.objects[COMPANION] = data
    bench.s3.checksum[COMPANION] = sha256(data)
    facts = {"sizeBytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "storeChecksum": sha256(data)}
    bench.rewrite(lambda said: said["globals"].update(facts | says))


def test_a_backup_names_its_companion_in_manifest_and_report(bench):
    report = bench.back_up()
    assert sorted(bench.s3.objects) == sorted([MANIFEST, bench.key, COMPANION])
    beside = bench.manifest.globals
    stored = bench.s3.objects[COMPANION]
    assert Globals.parse(gzip.decompress(stored)) == some_globals()
    assert (beside.key, beside.size_bytes, beside.roles) == (COMPANION, len(stored), 2)
    assert beside.sha256 == hashlib.sha256(stored).hexdigest() == report.globals.sha256
    assert (report.globals.size_bytes, report.globals.roles) == (len(stored), 2)


def test_it_is_encrypted_as_the_dump_is(bench):
    bench.back_up(encryption=TO_ALICE)
    key = bench.manifest.globals.key
    assert key == f"{COMPANION}.age"
    clear = gzip.decompress(pyrage.decrypt(bench.s3.objects[key], [ALICE]))
    assert Globals.parse(clear) == some_globals()
    assert b"reader" not in bench.s3.objects[key]
    bench.identity(ALICE)
    assert bench.verify().compared[-1] == "globals"


@pytest.mark.parametrize("level", [CHECKSUM, READBACK])
def test_a_verification_compares_it_and_says_so(bench, level):
    bench.back_up()
    assert bench.verify(level).compared[-1] == "globals"


@pytest.mark.parametrize("level", [CHECKSUM, READBACK])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda bench: bench.s3.objects.pop(COMPANION), Reason.BACKUP_NOT_FOUND),
        (lambda bench: put(bench, b"cut", sizeBytes=100), Reason.SIZE_IMPLAUSIBLE),
        (lambda bench: put(bench, bench.s3.objects[COMPANION], sha256="0" * 64, storeChecksum="x"),
         Reason.CHECKSUM_MISMATCH),
    ],
    ids=["gone", "cut", "another's checksum"],
)  # fmt: skip
def test_a_companion_that_is_not_what_was_stored_is_noticed(bench, level, damage, reason):
    bench.back_up()
    damage(bench)
    assert bench.fails(level).reason is reason


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"not JSON", "can read"),
        (b'{"version": 2, "engine": "postgresql", "database": "orders"}', "can read"),
        (some_globals(database="another").to_json(), "is of the database 'another'"),
        (some_globals(engine="mysql").to_json(), "of engine 'mysql'"),
        (b"[" * 1_000_000, "does not have the 1000000 bytes"),
    ],
    ids=["no JSON", "of a later version", "another database's", "another engine's", "a list in a list"],
)
def test_what_is_no_companion_of_this_backup_is_refused_when_it_is_read(bench, text, says):
    bench.back_up()
    put(bench, gzip.compress(text), uncompressedBytes=len(text))
    assert says in bench.fails(READBACK).message


def test_a_small_file_that_holds_very_much_is_read_no_further_than_its_manifest_says(bench):
    bench.back_up()
    put(bench, gzip.compress(b" " * (64 << 20)), uncompressedBytes=100)
    error = bench.fails(READBACK)
    assert (error.reason, "the 100 bytes" in error.message) == (Reason.CONTENT_MISMATCH, True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", "eu-1/shop/other/pod-1.globals.json"), ("key", f"{PREFIX}../pod-1.globals.json"), ("sha256", "x"),
        ("storeChecksum", "`id`"), ("sizeBytes", manifest_forms.MOST_BESIDE + 1), ("uncompressedBytes", -1),
    ],
)  # fmt: skip
def test_what_a_manifest_says_of_it_has_the_form_that_we_write(bench, field, value):
    bench.back_up()
    bench.rewrite(lambda said: said["globals"].update({field: value}))
    assert bench.fails(CHECKSUM).reason is Reason.MANIFEST_CONFLICT


@pytest.mark.parametrize("change", ["another", "none"])
def test_what_the_resource_remembers_of_it_wins_over_the_manifest(bench, change):
    bench.back_up()
    pinned = Pinned(globals_sha256=bench.manifest.globals.sha256)
    assert bench.verify(CHECKSUM, pinned=pinned).compared[-1] == "globals"
    if change == "another":
        put(bench, gzip.compress(some_globals(owner="eve").to_json()))
    else:
        bench.rewrite(lambda said: said.pop("globals"))
    error = bench.fails(CHECKSUM, pinned=pinned)
    assert (error.reason, "roles' and grants' SHA-256" in error.message) == (Reason.CHECKSUM_MISMATCH, True)


@pytest.mark.parametrize("operation", ["upload_part", "complete_multipart_upload", "create_multipart_upload"])
def test_a_store_that_refuses_the_companion_leaves_nothing_of_the_backup(bench, operation):
    """The second of each kind is the companion's: the dump was stored by then."""

    def second():
        if bench.s3.calls.count(operation) == 2:
            raise client_error("AccessDenied", 403)

    bench.s3.faults[operation] = second
    with pytest.raises((HoldfastError, UncleanError)):
        bench.back_up()
    assert (bench.s3.objects, bench.s3.uploads) == ({}, {})


def test_what_is_too_large_to_be_read_again_is_left_out_with_a_warning():
    many = some_globals(roles=[GlobalRole(name=f"role {number}") for number in range(700_000)])
    data, warnings = companions.fitting(many)
    assert (data, len(warnings)) == (None, 1)
    assert "more than a restore reads" in warnings[0]


def test_a_good_backup_that_is_to_stay_is_there_with_its_companion_or_not_at_all(bench):
    bench.back_up()
    store = Store(S3Storage(bucket="backups"), bench.s3)
    Dumps().require(None, store, bench.manifest, None)
    del bench.s3.objects[COMPANION]
    with pytest.raises(HoldfastError, match="globals"):
        Dumps().require(None, store, bench.manifest, None)


def test_what_the_resource_knows_nothing_of_gives_nobody_anything(bench):
    bench.tool("psql", "cat")
    bench.back_up()
    with pytest.raises(HoldfastError, match="status knows of none") as caught:
        bench.restore(Pinned(), globals="IfMissing")
    assert caught.value.reason is Reason.MANIFEST_CONFLICT


def test_a_backup_that_has_none_gives_none(bench):
    bench.tool("psql", "cat")
    bench.back_up()
    bench.rewrite(lambda said: said.pop("globals"))
    with pytest.raises(HoldfastError, match="has no roles, owners and grants") as caught:
        bench.restore(globals="IfMissing")
    assert caught.value.reason is Reason.INVALID_TASK
