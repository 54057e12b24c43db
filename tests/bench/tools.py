"""The tools of others, and the bare ones, in a container beside our runner's."""

import json
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.turns import SIZE
from tests.integration.runner.containers import docker, remove
from tests.integration.runner.servers import BUCKET
from tests.integration.runner.world import World

_OWN = Path(__file__).with_name("own.py")
OWN_LIMITS = {"postgresql": 3.0, "mysql": 4.0, "mariadb": 4.0}  # seconds for each GB of the dump


class Shell:
    """A container with tools; runs pipelines in it."""

    def __init__(self, name: str, store: str) -> None:
        self._name, self._endpoint = name, store
        self.aws = f"/opt/aws/bin/aws --endpoint-url {store} s3 cp --quiet"
        self.target = f"s3://{BUCKET}/bench"

    def says(self, pipeline: str, stdin: str | None = None) -> str:
        """Run a pipeline; return what it printed. Raises AssertionError where any part of it fails."""
        return docker("exec", "--interactive", self._name, "bash", "-o", "pipefail", "-c", pipeline, stdin=stdin)

    def __call__(self, pipeline: str) -> float:
        """Run a pipeline; return its seconds."""
        began = time.monotonic()
        self.says(pipeline)
        return time.monotonic() - began

    def timed(self, pipeline: str) -> Callable[[], float]:
        """Make a pipeline a candidate."""
        return lambda: self(pipeline)

    def own(self, engine: str, dump: str) -> list[Figure]:
        """Measure what Holdfast's own process costs, by step, and what others cost on the same dump."""
        self.says(f"{dump} > /tmp/dump.sql")
        arguments = f"{engine} /tmp/dump.sql {self._endpoint} {BUCKET} /tmp/s3"
        said = json.loads(self.says(f"/opt/holdfast/bin/python - {arguments}", _OWN.read_text()).splitlines()[-1])
        self.says("rm /tmp/dump.sql")
        unit, of = "s/GB", f"{engine}, {SIZE}: processor time"
        limits = {"all of it, as in a backup": OWN_LIMITS[engine]}
        return [
            Figure(f"{engine}, {SIZE}: stored of what was dumped", said.pop("stored"), ""),
            *(Figure(f"{of} of {name}", value, unit, limits.get(name)) for name, value in said.items()),
        ]


@contextmanager
def a_shell(world: World, image: str, variables: Mapping[str, str]) -> Iterator[Shell]:
    """A container of a bench image, gone afterwards."""
    name = f"{world.network}-tools"
    store = world.store
    all_of_them = {
        "AWS_ACCESS_KEY_ID": store.access_key, "AWS_SECRET_ACCESS_KEY": store.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/tmp/aws",
        "RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": "/tmp/restic",
    } | dict(variables)  # fmt: skip
    environment = [item for key, value in all_of_them.items() for item in ("--env", f"{key}={value}")]
    docker("run", "--detach", "--name", name, "--network", world.network, *environment, image)
    shell = Shell(name, store.endpoint)
    try:
        keys = {"accessKeyID": store.access_key, "secretAccessKey": store.secret_key}
        shell("mkdir /tmp/s3")
        for key, value in keys.items():
            shell(f"printf %s {shlex.quote(value)} > /tmp/s3/{key}")
        shell("printf '[default]\\ns3 =\\n  addressing_style = path\\n' > /tmp/aws")
        yield shell
    finally:
        remove(name)
