"""What each Job asks of the store: requests cost money, so there are no more of them than docs/performance.md says.

Counted are the calls of the client, each page of a list as one.
"""

import os
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.bench import settled
from tests.builders import NOW, policy_dict, settings
from tests.counted import Counted
from tests.fake_cluster import WHEN, FakeCluster
from tests.fake_s3 import FakeS3
from tests.fake_versions import VersionedS3
from tests.manifests import a_manifest
from tests.reconciling import a_loop
from tests.runner_bench import CHECKSUM, PREFIX, READBACK, Bench
from tests.stores.conftest import Kind
from tests.stores.test_deletion import Backups

from holdfast.kube.kinds import BACKUPS, JOBS, POLICIES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key
from holdfast.runner.bucket.store import Store
from holdfast.runner.engines.postgres.server import Server

FOLDER = PREFIX.rsplit("/", 2)[0]
UPLOAD = {"create_multipart_upload": 1, "upload_part": 1, "complete_multipart_upload": 1, "put_object": 1}
FIRST = UPLOAD | {"head_object": 2, "get_object": 2, "list_objects_v2": 3}
NEXT = UPLOAD | {"head_object": 2, "get_object": 5, "list_objects_v2": 4}  # the last three manifests are read
OLDER = NEXT | {"get_object": 8, "list_objects_v2": 3}  # and three of before all that the cluster knows
VERIFY = {CHECKSUM: {"get_object": 1, "head_object": 1}, READBACK: {"get_object": 2, "head_object": 1}}
ONE = {"get_object": 1, "list_object_versions": 1, "list_multipart_uploads": 1, "delete_object": 2}
STAYS = {"get_object": 1, "head_object": 1}  # the good backup that is looked for before any goes


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    made, server = Bench(tmp_path), Server("db", "5432", "PostgreSQL 17.5", 17, 1000)
    monkeypatch.setattr("holdfast.runner.engines.postgres.server.inspect", lambda *_: server)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return made


@pytest.fixture
def counts(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    made: Counter[str] = Counter()
    counted: Any = Counted(kind.client, made)
    monkeypatch.setattr("holdfast.runner.bucket.store.connect", lambda s3, _: Store(s3, counted))
    return made


@pytest.fixture
def empty(kind: Kind) -> Iterator[None]:
    """Have nothing in the policy's folder, before and after."""
    yield
    pages = kind.client.get_paginator("list_objects_v2").paginate(Bucket=kind.bucket, Prefix=FOLDER)
    for key in [item["Key"] for page in pages for item in page.get("Contents", [])]:
        kind.client.delete_object(Bucket=kind.bucket, Key=key)


def within(counts: Counter[str], most: Mapping[str, int]) -> bool:
    return counts <= Counter(most)


def test_a_first_backup_and_a_verification_of_it(empty: None, counts: Counter[str], bench: Bench) -> None:
    bench.back_up()
    assert within(counts, FIRST), counts
    for level, most in VERIFY.items():
        counts.clear()
        bench.verify(level)
        assert within(counts, most), (level, counts)


@pytest.mark.parametrize(
    ("known", "most"),
    [(datetime(2026, 11, 1, tzinfo=UTC), NEXT), (datetime(2026, 11, 9, tzinfo=UTC), OLDER)],
    ids=["all of which the cluster knows", "of which the cluster knows some"],
)
def test_a_backup_costs_the_same_however_many_there_are(
    known: datetime, most: Mapping[str, int], kind: Kind, empty: None, counts: Counter[str], bench: Bench
) -> None:
    for number in range(30):
        key = f"{FOLDER}/backup-202611{number // 2 + 1:02}-{number % 2:02}0000/manifest.json"
        kind.client.put_object(Bucket=kind.bucket, Key=key, Body=a_manifest().to_json())
    bench.back_up(compare_before=known)
    assert within(counts, most), counts


@pytest.mark.parametrize("number", [1, 50])
def test_a_page_of_deletions(
    number: int, kind: Kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, counts: Counter[str]
) -> None:
    client: Any = VersionedS3(keeps=False) if isinstance(kind.client, FakeS3) else kind.client
    counted: Any = Counted(client, counts)
    backups = Backups(replace(kind, client=counted), kind.bucket, f"requests-{uuid.uuid4()}", tmp_path)
    stays, *others = [backups.add() for _ in range(number + 1)]
    counts.clear()
    assert backups.delete(monkeypatch, *others, stays=stays).deleted == list(range(number))
    assert within(counts, Counter(STAYS) + Counter({name: number * count for name, count in ONE.items()})), counts


async def test_a_day_without_a_backup_makes_no_job_and_so_no_request() -> None:
    """Only Jobs ask a store: the operator has no client for it, which an import contract holds."""
    cluster, cache, now = FakeCluster(lambda *_: pytest.fail("no Job is to run")), Cache(), NOW
    meta = {"namespace": "shop", "creationTimestamp": WHEN}
    status = settled.a_status(await settled.taken(), 1, NOW)
    cluster.put(POLICIES, {"metadata": meta | {"name": "orders"}, "spec": policy_dict()})
    spec = {"policyRef": {"name": "orders"}}
    cluster.put(BACKUPS, {"metadata": meta | {"name": "b"}, "spec": spec, "status": status})
    for kind in (POLICIES, BACKUPS):
        for body in cluster.all(kind):
            cache.put(kind, body)
    loop = a_loop(cache, cluster, settings(), now=lambda: now)
    for _ in range(24 * 6):  # as often as each is looked at
        now += timedelta(minutes=10)
        await loop.reconcile(Key(POLICIES.kind, "shop", "orders"))
        await loop.reconcile(Key(BACKUPS.kind, "shop", "b"))
    assert cluster.all(JOBS) == []
