"""What the images promise, asked of the images themselves, run as confined as a Job's Pod is."""

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.images.docker import AS_A_POD, Docker, built

from holdfast import __version__

# the first build of an image takes minutes
pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

MB = 1_000_000
PROBE = Path(__file__).parents[1] / "images/probe.py"


class Probed:
    """An image, built now (mostly from the cache), and what the probe found in it."""

    def __init__(self, docker: Docker, key: str, suite: str, user: str | None = None) -> None:
        self.suite = suite
        self.reference = built(key, suite)
        self.name, _, self.tag = self.reference.partition(":")
        self.inspected = docker.inspect(self.reference)
        self.labels: dict[str, str] = self.inspected["Config"]["Labels"]
        # not on a read-only root: there, every file would seem to be protected
        confined = ("run", "--rm", "--interactive", "--cap-drop", "ALL", "--network", "none", "--entrypoint", "python")
        who = ("--user", user) if user else ()
        self.found: dict[str, Any] = json.loads(docker(*confined, *who, self.reference, "-", stdin=PROBE.read_text()))


OF_POSTGRES = [("runner-postgres", suite) for suite in ("bookworm", "trixie", "sid")]
OF_MYSQL = [("runner-mysql", "sid"), ("runner-mariadb", "trixie")]
AWS = ("runner-aws", "trixie")
RUNNERS = [*OF_POSTGRES, *OF_MYSQL, AWS]


SQLITE = ("runner-sqlite", "trixie")
ANYONE = "1000710000:0"  # as OpenShift gives a namespace: no name, no home, and the group root


def name(parameter: tuple[str, str]) -> str:
    return " on ".join(parameter)


@pytest.fixture(scope="session")
def docker() -> Docker:
    return Docker()


@pytest.fixture(scope="session")
def probed(docker: Docker) -> Callable[..., Probed]:
    return functools.cache(functools.partial(Probed, docker))


@pytest.fixture(params=[("operator", "trixie"), *RUNNERS, SQLITE], ids=name)
def image(request: pytest.FixtureRequest, probed: Callable[[str, str], Probed]) -> Probed:
    return probed(*request.param)


@pytest.fixture(params=[("operator", "trixie"), ("runner-postgres", "trixie"), *OF_MYSQL, AWS, SQLITE], ids=name)
def under_anyone(request: pytest.FixtureRequest, probed: Callable[..., Probed]) -> Probed:
    return probed(*request.param, ANYONE)


@pytest.fixture(params=RUNNERS, ids=name)
def runner(request: pytest.FixtureRequest, probed: Callable[[str, str], Probed]) -> Probed:
    return probed(*request.param)


@pytest.fixture(params=[*OF_POSTGRES, *OF_MYSQL], ids=name)
def of_a_server(request: pytest.FixtureRequest, probed: Callable[[str, str], Probed]) -> Probed:
    return probed(*request.param)


@pytest.fixture(params=OF_POSTGRES, ids=name)
def postgres(request: pytest.FixtureRequest, probed: Callable[[str, str], Probed]) -> Probed:
    return probed(*request.param)


@pytest.fixture(params=OF_MYSQL, ids=name)
def mysql(request: pytest.FixtureRequest, probed: Callable[[str, str], Probed]) -> Probed:
    return probed(*request.param)


@pytest.fixture
def aws(probed: Callable[[str, str], Probed]) -> Probed:
    return probed("runner-aws", "trixie")


@pytest.fixture
def sqlite(probed: Callable[[str, str], Probed]) -> Probed:
    return probed(*SQLITE)


@pytest.fixture
def operator(probed: Callable[[str, str], Probed]) -> Probed:
    return probed("operator", "trixie")


def test_it_runs_as_a_numeric_user_that_is_not_root(image: Probed) -> None:
    assert image.inspected["Config"]["User"] == "65532:65532"
    assert image.found["uid"] == 65532


def test_any_user_of_the_group_root_can_run_it_and_change_nothing(docker: Docker, under_anyone: Probed) -> None:
    """As on OpenShift; tests/integration/runner/test_any_user.py has whole backups and restores by such a one."""
    said = docker("run", "--rm", *AS_A_POD, "--user", ANYONE, under_anyone.reference, "--version")

    assert __version__ in said
    assert under_anyone.found["uid"] == 1000710000
    assert under_anyone.found["name"] == "holdfast", "what kopf calls itself by; without a name it ends"
    assert under_anyone.found["writable"] == []


def test_nothing_that_compiles_installs_or_downloads_is_in_it(image: Probed) -> None:
    assert image.found["builders"] == []
    assert "pip" not in image.found["libraries"]


def test_of_perl_it_has_only_what_debian_itself_cannot_be_without(image: Probed) -> None:
    assert image.found["perl"] == ["perl-base"]


def test_its_user_may_change_nothing_of_what_runs(image: Probed) -> None:
    assert image.found["writable"] == []


def test_its_python_code_is_compiled_beforehand_since_the_root_is_read_only(image: Probed) -> None:
    assert image.found["uncompiled"] == []


def test_it_trusts_public_authorities_and_knows_time_zones(image: Probed) -> None:
    assert image.found["authorities"] > 100
    assert image.found["zone"] == "Europe/Berlin"


def test_it_has_the_code_of_this_checkout_and_says_so(image: Probed) -> None:
    label = "org.opencontainers.image."
    assert image.found["version"] == image.labels[label + "version"] == __version__
    assert image.labels[label + "title"] == image.name
    assert image.labels[label + "licenses"] == "Apache-2.0"
    assert len(image.labels[label + "revision"].removesuffix("-dirty")) == 40
    assert "Holdfast" in image.labels[label + "description"]


def test_the_operator_is_smaller_than_300_mb(operator: Probed) -> None:
    assert operator.inspected["Size"] < 300 * MB


def test_a_runner_is_smaller_than_250_mb(runner: Probed) -> None:
    assert runner.inspected["Size"] < 250 * MB


def test_the_operator_has_no_library_for_databases_or_stores(operator: Probed) -> None:
    assert operator.found["libraries"] == [
        "aiohttp", "kopf", "kubernetes", "prometheus_client", "pydantic", "structlog"
    ]  # fmt: skip


def test_a_runner_has_no_library_for_kubernetes(runner: Probed) -> None:
    assert set(runner.found["libraries"]) - {"psycopg"} == {"boto3", "botocore", "isal", "pydantic"}


def test_a_library_for_postgresql_works_only_where_its_tools_are(postgres: Probed, aws: Probed) -> None:
    assert "psycopg" in postgres.found["libraries"]
    assert "psycopg" not in aws.found["libraries"]


def test_a_runner_speaks_rds_s3_and_sts_in_each_partition_of_aws_and_to_no_other_service(runner: Probed) -> None:
    assert runner.found["endpoints"] == [
        "https://rds.eu-central-1.amazonaws.com",
        "https://rds.cn-north-1.amazonaws.com.cn",
        "https://rds.us-gov-west-1.amazonaws.com",
        "https://s3.eu-central-1.amazonaws.com",
        "https://s3.cn-north-1.amazonaws.com.cn",
        "https://s3.us-gov-west-1.amazonaws.com",
        "https://sts.eu-central-1.amazonaws.com",
        "https://sts.cn-north-1.amazonaws.com.cn",
        "https://sts.us-gov-west-1.amazonaws.com",
    ]


def test_a_runners_tools_are_those_of_its_tag(postgres: Probed) -> None:
    assert postgres.labels["dev.holdfast.client"] == "postgres"
    # sid moves on: whatever it has now, tag and tools must agree
    assert postgres.tag == {"bookworm": "15", "trixie": "17"}.get(postgres.suite, postgres.tag)
    assert set(postgres.found["tools"]) == {"pg_dump", "pg_restore", "psql"}
    for tool, said in postgres.found["tools"].items():
        assert said.startswith(f"{tool} (PostgreSQL) {postgres.tag}.")
        assert postgres.found["package"] in said


def test_a_runner_names_its_clients_exact_release(docker: Docker, of_a_server: Probed) -> None:
    assert of_a_server.labels["dev.holdfast.client.version"] == of_a_server.found["package"]
    said = docker("run", "--rm", *AS_A_POD, of_a_server.reference, "--version")
    assert said == f"holdfast-runner {__version__}, client {of_a_server.found['package']}"


def test_a_runner_for_mysql_or_mariadb_has_the_two_tools_of_its_family_and_tag_and_no_library(mysql: Probed) -> None:
    family = mysql.labels["dev.holdfast.client"]
    client, dump = {"mysql": ("mysql", "mysqldump"), "mariadb": ("mariadb", "mariadb-dump")}[family]
    assert mysql.name == f"holdfast-runner-{family}"
    assert set(mysql.found["tools"]) == {client, dump}
    release = re.match(r"(?:\d+:)?(\d+(?:\.\d+)+)", mysql.found["package"])
    assert release
    assert release[1].partition(".")[0] == mysql.tag
    for said in mysql.found["tools"].values():
        assert f" {release[1]}" in said
    assert "psycopg" not in mysql.found["libraries"]


def test_the_runner_for_aws_needs_no_tool(aws: Probed) -> None:
    assert aws.labels["dev.holdfast.client"] == "aws"
    assert (aws.tag, aws.found["tools"], aws.found["package"]) == ("dev", {}, "")


def test_the_runner_for_sqlite_has_no_tools_but_the_library_of_its_tag(sqlite: Probed) -> None:
    assert (sqlite.labels["dev.holdfast.client"], sqlite.tag) == ("sqlite", "3")
    assert sqlite.found["tools"] == {}
    assert sqlite.found["package"].startswith(f"{sqlite.found['sqlite']}-")
    assert sqlite.inspected["Size"] < 250 * MB


def test_the_operator_starts_by_its_own_name(docker: Docker, operator: Probed) -> None:
    assert docker("run", "--rm", *AS_A_POD, operator.reference, "--version") == __version__


def test_a_runner_without_a_task_says_so_and_ends_with_1(docker: Docker, runner: Probed) -> None:
    done = docker.attempt("run", "--rm", *AS_A_POD, "--network", "none", runner.reference)
    assert done.returncode == 1
    assert '"reason": "InvalidTask"' in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
