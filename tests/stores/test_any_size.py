"""Memory stays what it is however much is stored and however slow the store is: the real upload, a real server.

Each upload is a process of its own, so that its peak is its own. Sizes are fewer parts, or smaller ones, of the real
plan: tests/unit/test_runner_part_plan.py walks that one to 5 TiB.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.integration.runner.servers import BUCKET, Store
from tests.stores.conftest import Kind
from tests.stores.slow_line import SlowLine

from holdfast.runner.bucket.part_plan import MIB, PLAN

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

IN_MEMORY, ON_DISK = PLAN[0].size, PLAN[1].size
SMALL = 48  # MiB: as much as is ever in memory, and half as much again
FLAT = 6  # MiB: what peaks of the same work differ by


Plan = Sequence[tuple[int, int, bool]]


@dataclass(frozen=True)
class Uploaded:
    """What an upload took."""

    peak: float  # MiB
    parts: int
    seconds: float
    checked: bool


Run = Callable[..., Uploaded]


@pytest.fixture(scope="module")
def upload(seaweedfs: Kind, tmp_path_factory: pytest.TempPathFactory) -> Run:
    tmp_path = tmp_path_factory.mktemp("spool")

    def run(mebibytes: int, plan: Plan, endpoint: str = "") -> Uploaded:
        environment = os.environ | {"AWS_ACCESS_KEY_ID": Store.access_key, "AWS_SECRET_ACCESS_KEY": Store.secret_key}
        arguments = [endpoint or seaweedfs.client.meta.endpoint_url, BUCKET, f"any-size/{uuid.uuid4()}"]
        done = subprocess.run(
            [sys.executable, "-m", "tests.stores.uploader", *arguments, str(mebibytes), json.dumps(plan), tmp_path],
            env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert list(tmp_path.iterdir()) == []
        print(done.stdout)
        return Uploaded(**json.loads(done.stdout))

    return run


@pytest.fixture(scope="module")
def small(upload: Run) -> Uploaded:
    """What every other one is compared with: few parts, all in memory."""
    done = upload(SMALL, PLAN)
    assert (done.parts, done.checked) == (SMALL * MIB // IN_MEMORY, True)
    return done


@pytest.fixture
def server(seaweedfs: Kind) -> tuple[str, int]:
    found = urlsplit(seaweedfs.client.meta.endpoint_url)
    assert found.hostname is not None
    assert found.port is not None
    return found.hostname, found.port


def test_more_than_memory_holds_takes_no_more_memory(upload, small):
    big = upload(240, [(8, IN_MEMORY, False), (99, 64 * MIB, True)])
    assert (big.parts, big.checked) == (8 + 3, True)
    assert big.peak <= small.peak + FLAT


@pytest.mark.parametrize("on_disk", [False, True], ids=["parts in memory", "parts on the disk"])
def test_a_slow_store_slows_the_stream_and_takes_no_more_memory(upload, small, server, on_disk):
    size, rate = 80, 32
    with SlowLine(server, rate * MIB) as line:
        slow = upload(size, [(99, 64 * MIB if on_disk else IN_MEMORY, on_disk)], line.url)
    assert slow.checked
    assert slow.seconds > size / rate * 0.9
    assert slow.peak <= small.peak + FLAT


@pytest.mark.parametrize("on_disk", [False, True], ids=["parts in memory", "parts on the disk"])
def test_a_part_that_broke_off_half_way_is_sent_again_whole(upload, server, on_disk):
    with SlowLine(server, breaks_after=5 * MIB) as line:
        done = upload(20, [(99, 8 * MIB, on_disk)], line.url)
        assert line.broke.is_set()
        assert line.taken > 25 * MIB
    assert (done.parts, done.checked) == (3, True)


@pytest.mark.matrix
@pytest.mark.timeout(600)
def test_parts_of_a_gibibyte_take_no_more_memory(upload, small):
    big = upload(64 + 2500, [(8, IN_MEMORY, False), (99, ON_DISK, True)])
    assert (big.parts, big.checked) == (8 + 3, True)
    assert big.peak <= small.peak + FLAT
