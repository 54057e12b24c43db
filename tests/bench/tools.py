"""The tools of others, and the bare ones, in a container beside our runner's."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType

from tests.bench.figures import Figure
from tests.bench.turns import SIZE
from tests.integration.runner.containers import docker, remove
from tests.integration.runner.servers import BUCKET
from tests.integration.runner.world import World

# Of the runner's own reader, in its own image: the processor time of what it does with a dump's bytes, and no more.
_COUNT = """
import sys, time
from {reader} import Script
script, size, spent = Script(), 0, 0.0
while data := sys.stdin.buffer.read(1 << 20):
    begun = time.process_time()
    script.feed(data)
    spent, size = spent + time.process_time() - begun, size + len(data)
print(spent, size, script.contents().rows)
"""


class Shell:
    """A container with tools; runs pipelines in it."""

    def __init__(self, name: str, store: str) -> None:
        self._name = name
        self.aws = f"/opt/aws/bin/aws --endpoint-url {store} s3 cp --quiet"
        self.target = f"s3://{BUCKET}/bench"

    def says(self, pipeline: str) -> str:
        """Run a pipeline; return what it printed. Raises AssertionError where any part of it fails."""
        return docker("exec", self._name, "bash", "-o", "pipefail", "-c", pipeline)

    def __call__(self, pipeline: str) -> float:
        """Run a pipeline; return its seconds."""
        began = time.monotonic()
        self.says(pipeline)
        return time.monotonic() - began

    def timed(self, pipeline: str) -> Callable[[], float]:
        """Make a pipeline a candidate."""
        return lambda: self(pipeline)

    def counting(self, engine: str, dump: str, reader: ModuleType) -> list[Figure]:
        """Measure what it costs to count the rows, and hash the schema, of a whole dump."""
        answer = self.says(f"{dump} | /opt/holdfast/bin/python -c '{_COUNT.format(reader=reader.__name__)}'")
        spent, size, rows = map(float, answer.split())
        assert rows, "nothing was counted"
        return [
            Figure(f"{engine}, {SIZE}: counting the dump's rows, processor time", spent, "s"),
            Figure(f"{engine}, {SIZE}: counting, of {size / 1e9:.2f} GB of SQL", size / spent / 1e9, "GB/s"),
        ]


@contextmanager
def a_shell(world: World, image: str, variables: Mapping[str, str]) -> Iterator[Shell]:
    """A container of a bench image, gone afterwards."""
    name = f"{world.network}-tools"
    store = world.store
    all_of_them = {
        "AWS_ACCESS_KEY_ID": store.access_key, "AWS_SECRET_ACCESS_KEY": store.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/tmp/aws",
    } | dict(variables)  # fmt: skip
    environment = [item for key, value in all_of_them.items() for item in ("--env", f"{key}={value}")]
    docker("run", "--detach", "--name", name, "--network", world.network, *environment, image)
    shell = Shell(name, store.endpoint)
    try:
        shell("printf '[default]\\ns3 =\\n  addressing_style = path\\n' > /tmp/aws")
        yield shell
    finally:
        remove(name)
