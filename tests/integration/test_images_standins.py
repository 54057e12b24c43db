"""The stand-ins for real servers keep the promises that tests and the demo rely on."""

import secrets
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client
from tests.images.docker import AS_A_POD, Docker, built

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

START_SECONDS = 120
DATA = "/var/lib/postgresql/data"
POSTGRES = ("--tmpfs", "/run/postgresql:uid=999", "--env", "POSTGRES_USER=app", "--env", "POSTGRES_PASSWORD=p w$")
BUCKETS = "backups,second-bucket"
Start = Callable[..., str]


@pytest.fixture(scope="session")
def docker() -> Docker:
    return Docker()


@pytest.fixture
def start(docker: Docker) -> Iterator[Start]:
    """Starts containers as a Pod would, and removes them."""
    names: list[str] = []

    def run(*words: str) -> str:
        names.append(f"holdfast-test-{secrets.token_hex(4)}")
        docker("run", "--detach", "--name", names[-1], *AS_A_POD, *words)
        return names[-1]

    yield run
    for name in names:
        docker("rm", "--force", "--volumes", name)


def wait_for(docker: Docker, container: str, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        said = docker.attempt("logs", container)
        assert docker("inspect", "--format", "{{.State.Running}}", container) == "true", said.stdout + said.stderr
        assert time.monotonic() < deadline, said.stdout + said.stderr
        time.sleep(0.2)


def wait_for_postgres(docker: Docker, container: str) -> None:
    ready = ("exec", container, "pg_isready", "--quiet", "--host=127.0.0.1")
    wait_for(docker, container, lambda: docker.attempt(*ready).returncode == 0)


def sql(docker: Docker, container: str, statement: str, *, conninfo: str = "host=127.0.0.1 dbname=orders") -> str:
    login = ("--env", "PGPASSWORD=p w$", container, "psql", "-XAt", "-U", "app")
    return docker("exec", *login, "-d", conninfo, "-c", statement)


@pytest.mark.parametrize("suite", ["bookworm", "trixie", "sid"])
def test_postgres_starts_with_user_password_database_and_arguments(docker: Docker, start: Start, suite: str) -> None:
    image = built("test-postgres", suite)
    container = start(*POSTGRES, "--env", "POSTGRES_DB=orders", "--tmpfs", f"{DATA}:uid=999", image, "-c", "fsync=off")
    wait_for_postgres(docker, container)
    assert sql(docker, container, "show server_version").startswith(image.partition(":")[2] + ".")
    assert sql(docker, container, "show fsync; select current_user") == "off\napp"
    refused = docker.attempt("exec", "--env", "PGPASSWORD=wrong", container, "psql", "-hlocalhost", "-Uapp", "orders")
    assert "password authentication failed" in refused.stderr


def test_postgres_runs_what_lies_in_the_init_folder_before_its_port_opens(
    docker: Docker, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "1.sql").write_text("create table first (n int);")
    (tmp_path / "2.sh").write_text('psql -c "insert into first select generate_series(1, 3)"')
    folder = f"{tmp_path}:/docker-entrypoint-initdb.d:ro"
    tmp_path.chmod(0o755)
    words = ("--env", "POSTGRES_DB=orders", "--tmpfs", f"{DATA}:uid=999", "--volume", folder)
    container = start(*POSTGRES, *words, built("test-postgres"))
    wait_for_postgres(docker, container)
    assert sql(docker, container, "select sum(n) from first") == "6"


def test_postgres_ends_when_an_init_script_fails_and_begins_anew_when_started_again(
    docker: Docker, start: Start, tmp_path: Path
) -> None:
    script = tmp_path / "1.sql"
    script.write_text("create table first (n int); select nonsense;")
    tmp_path.chmod(0o755)
    folder = f"{tmp_path}:/docker-entrypoint-initdb.d:ro"
    words = ("--env", "POSTGRES_DB=orders", "--volume", DATA, "--volume", folder)
    container = start(*POSTGRES, *words, built("test-postgres"))
    assert docker("wait", container) != "0"
    script.write_text("create table second (n int);")
    docker("start", container)
    wait_for_postgres(docker, container)
    assert sql(docker, container, "select relname from pg_stat_user_tables") == "second"


def test_postgres_speaks_tls_where_a_certificate_is_mounted(docker: Docker, start: Start, tmp_path: Path) -> None:
    request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", f"{tmp_path}/tls.key", "-out", f"{tmp_path}/tls.crt"]
    subprocess.run(["openssl", *request.split(), *files], check=True, capture_output=True)
    for path in tmp_path, tmp_path / "tls.key":
        path.chmod(0o755)  # as wide as a Secret's files may be
    words = ("--env", "POSTGRES_DB=orders", "--tmpfs", f"{DATA}:uid=999", "--volume", f"{tmp_path}:/tls:ro")
    container = start(*POSTGRES, *words, built("test-postgres"))
    wait_for_postgres(docker, container)
    conninfo = "host=localhost dbname=orders sslmode=verify-full sslrootcert=/tls/tls.crt"
    assert sql(docker, container, "select ssl from pg_stat_ssl where pid = pg_backend_pid()", conninfo=conninfo) == "t"


@pytest.mark.parametrize("engine", ["mysql", "mariadb"])
def test_mysql_and_mariadb_start_with_user_password_database_and_arguments(
    docker: Docker, start: Start, engine: str
) -> None:
    password = r"it's a \ p w$"
    said = {"ROOT_PASSWORD": "root's", "DATABASE": "orders", "USER": "app", "PASSWORD": password}
    variables = [part for name, value in said.items() for part in ("--env", f"{engine.upper()}_{name}={value}")]
    places = ("--tmpfs", "/var/lib/mysql:uid=999", "--tmpfs", "/run/mysqld:uid=999", "--tmpfs", "/tmp")
    container = start(*variables, *places, built(f"test-{engine}"), "--max-connections=77")

    def ask(statement: str, word: str = password) -> subprocess.CompletedProcess[str]:
        client = (engine, "--no-defaults", "--loose-skip-ssl", "--host=127.0.0.1", "--user=app", "-BN")
        return docker.attempt("exec", "--env", f"MYSQL_PWD={word}", container, *client, "-e", statement, "orders")

    wait_for(docker, container, lambda: ask("select 1").returncode == 0)
    made = "create table t as select 1 as one; select @@max_connections, current_user(), @@character_set_server"
    assert ask(made).stdout == "77\tapp@%\tutf8mb4\n"
    assert "Access denied" in ask("select 1", "wrong").stderr


@pytest.fixture
def store(docker: Docker, start: Start) -> Iterator[Callable[[str], S3Client]]:
    keys = ("--env", "S3_ACCESS_KEY=key", "--env", "S3_SECRET_KEY=secret", "--env", f"S3_BUCKETS={BUCKETS}")
    places = ("--tmpfs", "/tmp", "--tmpfs", "/data:uid=65532", "--publish", "127.0.0.1::8333")
    container = start(*keys, *places, built("test-seaweedfs"))
    address = "http://" + docker("port", container, "8333/tcp").splitlines()[0]

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    wait_for(docker, container, answers)
    clients: list[S3Client] = []

    def client(secret: str) -> S3Client:
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, proxies={})
        made = boto3.client(
            "s3", endpoint_url=address, region_name="us-east-1", config=config,
            aws_access_key_id="key", aws_secret_access_key=secret,
        )  # fmt: skip
        clients.append(made)
        return made

    yield client
    for made in clients:
        made.close()


def test_the_store_has_its_buckets_and_takes_objects_from_its_first_answer_on(
    store: Callable[[str], S3Client],
) -> None:
    client = store("secret")
    client.put_object(Bucket="backups", Key="a/b", Body=b"content", ChecksumAlgorithm="SHA256")
    assert client.get_object(Bucket="backups", Key="a/b")["Body"].read() == b"content"
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == BUCKETS.split(",")


@pytest.mark.parametrize(
    ("secret", "request_", "code"),
    [
        pytest.param("secret", {"Bucket": "missing", "Key": "a"}, "NoSuchBucket", id="an upload makes no bucket"),
        pytest.param(
            "wrong", {"Bucket": "backups", "Key": "a"}, "SignatureDoesNotMatch", id="a wrong secret is refused"
        ),
    ],
)
def test_the_store_refuses(store: Callable[[str], S3Client], secret: str, request_: dict[str, str], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        store(secret).put_object(**request_, Body=b"")
    assert refused.value.response["Error"]["Code"] == code


def test_the_store_keeps_an_object_that_must_not_be_overwritten(store: Callable[[str], S3Client]) -> None:
    client = store("secret")
    client.put_object(Bucket="backups", Key="manifest.json", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket="backups", Key="manifest.json", Body=b"second", IfNoneMatch="*")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert client.get_object(Bucket="backups", Key="manifest.json")["Body"].read() == b"first"
