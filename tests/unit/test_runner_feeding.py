"""Nothing of an artifact reaches a tool before all of it is known to be what was backed up."""

import gzip
import hashlib
import io
from types import SimpleNamespace

import pytest

from holdfast.api.restoring import Content, RestoreMode
from holdfast.contract.manifest import ManifestArtifact
from holdfast.contract.task import RestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres import restore as of_postgres
from holdfast.runner.pod.context import Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.stop import Stop
from holdfast.runner.tasks import restore

DUMP = b"".join(b"%d\t%d\n" % (number, number * 7919 % 104729) for number in range(100_000))
STORED = gzip.compress(DUMP, mtime=0)
PIECE = 64 << 10


class Bucket:
    """A store that has one object, and counts how often it is asked for it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.fetched = data, 0

    def chunks(self, _key, start=0):
        self.fetched += 1
        yield from (self.data[at : at + PIECE] for at in range(start, len(self.data), PIECE))


class Target:
    """A database whose tool takes each chunk, or all of them once the last is there."""

    def __init__(self, stages: bool) -> None:
        self._stages, self.tool = stages, b""

    def stages(self, _task, _artifact):
        return self._stages

    def restore(self, _task, _artifact, stream, _progress):
        if self._stages:
            self.tool = b"".join(stream)
        else:
            for chunk in stream:
                self.tool += chunk


def an_artifact(size: int = len(DUMP)) -> ManifestArtifact:
    return ManifestArtifact.model_construct(
        key="k", compression="gzip", format="custom", size_bytes=len(STORED), uncompressed_bytes=size,
        sha256=hashlib.sha256(STORED).hexdigest(),
    )  # fmt: skip


def a_context() -> SimpleNamespace:
    return SimpleNamespace(log=Log(io.StringIO()), stop=Stop())


def feed(bucket: Bucket, target: Target, artifact: ManifestArtifact) -> None:
    restore._feed(None, bucket, SimpleNamespace(artifact=artifact), target, lambda chunks: chunks, a_context())


@pytest.mark.parametrize(("stages", "times"), [(False, 2), (True, 1)], ids=["streamed: twice", "staged: once"])
def test_how_often_an_artifact_is_fetched(stages, times):
    bucket, target = Bucket(STORED), Target(stages)
    feed(bucket, target, an_artifact())
    assert (target.tool, bucket.fetched) == (DUMP, times)


@pytest.mark.parametrize("stages", [False, True], ids=["streamed", "staged"])
@pytest.mark.parametrize("tenth", range(10))
def test_a_flipped_bit_is_a_wrong_sum_whatever_it_breaks_besides_and_no_tool_sees_anything(stages, tenth):
    at = (len(STORED) - 1) * tenth // 9
    target = Target(stages)
    with pytest.raises(HoldfastError) as caught:
        feed(Bucket(STORED[:at] + bytes([STORED[at] ^ 16]) + STORED[at + 1 :]), target, an_artifact())
    assert (caught.value.reason, target.tool) == (Reason.CHECKSUM_MISMATCH, b"")


def test_what_is_wrong_with_the_right_bytes_is_told_as_it_is():
    with pytest.raises(HoldfastError) as caught:
        feed(Bucket(STORED), Target(True), an_artifact(size=len(DUMP) - 1))
    assert caught.value.reason is Reason.CONTENT_MISMATCH


@pytest.mark.parametrize(
    ("form", "jobs", "stages"),
    [("sql", 1, False), ("custom", 1, False), ("custom", 2, True), ("directory", 1, True), ("directory", 4, True)],
)
def test_only_what_waits_in_the_scratch_volume_is_staged(form, jobs, stages):
    artifact = an_artifact().model_copy(update={"format": form})
    assert of_postgres.stages(RestoreTask.model_construct(jobs=jobs), artifact) is stages


def test_no_tool_starts_on_a_staged_archive_before_its_stream_has_ended_well(monkeypatch, tmp_path):
    started: list[object] = []
    monkeypatch.setattr(of_postgres, "Tool", lambda *command, **_: started.append(command))
    monkeypatch.setattr(of_postgres.entries, "of_archive", lambda *command: started.append(command))

    def stream():
        yield DUMP
        raise HoldfastError(Reason.CHECKSUM_MISMATCH, "another sum", "another backup")

    task = RestoreTask.model_construct(
        jobs=2, mode=RestoreMode.REFUSE, content=Content.ALL, tables=[], scratch_bytes=None
    )
    context = SimpleNamespace(places=Places(scratch=tmp_path), stop=Stop())
    target = SimpleNamespace(conninfo=lambda: "")
    with pytest.raises(HoldfastError, match="another sum"):
        of_postgres.feed(task, an_artifact(), stream(), target, of_postgres.Given(), context, SimpleNamespace())
    assert started == []
    assert list(tmp_path.iterdir()) == []
