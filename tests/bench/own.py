"""Runs in a runner's image, on a dump in a file: the processor seconds of Holdfast's own process, and of others.

`own.py ENGINE DUMP ENDPOINT BUCKET SECRETS`. It prints JSON: of each step alone, of all of them as a backup has them,
and of the tools of others on the same bytes; each the median of several turns, seconds for each GB of the dump.
"""

import hashlib
import importlib
import io
import json
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO

from holdfast.api.policy import Compression
from holdfast.api.storage import S3Storage
from holdfast.runner.artifact.compress import compressor
from holdfast.runner.artifact.stream import Sink, pump
from holdfast.runner.bucket.part import Spool
from holdfast.runner.bucket.store import Store, connect
from holdfast.runner.bucket.upload import Upload
from holdfast.runner.pod.context import Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.stop import Stop

TURNS = 5
PART = 8 << 20
OTHERS = {
    "gzip -1": "gzip -1 < {dump} > /dev/null",
    "pigz -1": "pigz -1 < {dump} > /dev/null",
    "zstd -1": "zstd -1 -q < {dump} > /dev/null",
    # A new repository each time; a local one, so that no store's client is in it.
    "restic backup --stdin": "restic --no-cache -r {repository} init -q && "
    "restic --no-cache -r {repository} backup -q --stdin < {dump}",
}


def own(act: Callable[[], object]) -> float:
    """Return the processor seconds of this process, all of its threads."""
    before = time.process_time()
    act()
    return time.process_time() - before


def of_children(command: str) -> float:
    """Return the processor seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["bash", "-c", command], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Bench:
    """One dump, through each step."""

    def __init__(self, engine: str, dump: Path, store: Store) -> None:
        self._dump, self._store = dump, store
        package = "postgres" if engine == "postgresql" else "mysql"
        self._dumps = importlib.import_module(f"holdfast.runner.engines.{package}.dumps")

    def _pump(self, *takers: Callable[[memoryview], object]) -> None:
        """As from a dump tool's pipe; whoever fills it is another process."""
        with subprocess.Popen(["cat", str(self._dump)], stdout=subprocess.PIPE, bufsize=0, pipesize=1 << 20) as tool:
            source: IO[bytes] | None = tool.stdout
            assert source is not None
            pump(source, takers, Stop())

    def reading(self) -> None:
        """The bytes come, and nothing is done with them."""
        self._pump()

    def counting(self) -> None:
        """Rows, the schema's hash, the end."""
        seen = self._dumps.seen([])
        self._each(seen.feed)

    def compressing(self) -> None:
        """As gzip, at the default level."""
        made = compressor(Compression())
        self._each(made.compress)
        made.flush()

    def compressed(self) -> bytes:
        """Return what is stored."""
        made, parts = compressor(Compression()), []
        self._each(lambda data: parts.append(bytes(made.compress(data))))
        return b"".join([*parts, made.flush()])

    def _each(self, take: Callable[[memoryview], object]) -> None:
        view = memoryview(self._content)
        for start in range(0, len(view), 1 << 20):
            take(view[start : start + (1 << 20)])

    @property
    def _content(self) -> bytes:
        if not hasattr(self, "_read"):
            self._read = self._dump.read_bytes()
        return self._read

    def hashing(self, stored: bytes) -> None:
        """Of all that is stored, and of each part but the first."""
        hashlib.sha256(stored)
        for start in range(PART, len(stored), PART):
            hashlib.sha256(memoryview(stored)[start : start + PART])

    def storing(self, stored: bytes) -> None:
        """Hashing, and sending."""
        self._into_the_store(lambda upload: upload.write(stored))

    def everything(self) -> None:
        """As a backup has it."""

        def backed_up(upload: Upload) -> None:
            seen = self._dumps.seen([])
            with Progress(Log(io.StringIO()), "dumping") as progress:
                sink = Sink(compressor(Compression()), upload, progress)
                self._pump(seen.feed, sink.write)
                sink.close()
            assert seen.contents("the tool", None).rows, "rows were counted"

        self._into_the_store(backed_up)

    def _into_the_store(self, fill: Callable[[Upload], object]) -> None:
        upload = Upload(self._store, f"bench/{uuid.uuid4()}", Stop(), Spool(Path("/nowhere"), None))
        upload.begin()
        fill(upload)
        upload.complete()
        self._store.delete(upload.key)


def measured(engine: str, dump: Path, store: Store) -> dict[str, float]:
    """Return seconds for each GB of the dump, of each step and tool, and how much of it is stored."""
    bench, size = Bench(engine, dump, store), dump.stat().st_size / 1e9
    stored = bench.compressed()
    steps: dict[str, Callable[[], object]] = {
        "reading": bench.reading, "counting": bench.counting, "compressing": bench.compressing,
        "hashing": lambda: bench.hashing(stored), "hashing and sending": lambda: bench.storing(stored),
        "all of it, as in a backup": bench.everything,
    }  # fmt: skip
    turns: dict[str, list[float]] = {}
    for _ in range(TURNS):  # in turn, so that what else the machine does meets all alike
        for name, step in steps.items():
            turns.setdefault(name, []).append(own(step) / size)
        for name, command in OTHERS.items():
            if shutil.which(name.split()[0]) is None:
                continue
            with tempfile.TemporaryDirectory() as folder:
                said = command.format(dump=shlex.quote(str(dump)), repository=shlex.quote(folder))
                turns.setdefault(name, []).append(of_children(said) / size)
    medians = {name: statistics.median(values) for name, values in turns.items()}
    sending = medians["hashing and sending"] - medians["hashing"]
    return medians | {"sending": sending, "stored": len(stored) / dump.stat().st_size}


def main() -> None:
    """Measure, print."""
    engine, dump, endpoint, bucket, secrets = sys.argv[1:]
    settings = S3Storage.model_validate(
        {"bucket": bucket, "endpoint": endpoint, "addressingStyle": "path", "secretName": "s3"}
    )
    store = connect(settings, Places(storage_secret=Path(secrets)))
    print(json.dumps(measured(engine, Path(dump), store)))


if __name__ == "__main__":
    main()
