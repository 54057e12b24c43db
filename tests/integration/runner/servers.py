"""The real servers that the runner works with: PostgreSQL and an S3 store, each in a container."""

import csv
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from tests.integration.runner.containers import docker, pause, published_port, remove, unpause, wait_for
from tests.stack.fingerprint import SQL as FINGERPRINT_SQL
from tests.stack.fingerprint import Fingerprint
from tests.stack.sample import SQL as SAMPLE_SQL

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

USER = "holdfast"
SUPERUSERS = "superuser"
BUCKET = "backups"
# What a shell, a URL, a pgpass file, Kubernetes and a naive template would each trip over.
PASSWORD = r"""p:w\d "quoted" 'single' $HOME $$ $(HOME) & % ü€ #?/@ """ + secrets.token_hex(4)


class Postgres:
    """One server; its superuser is reached from within, without a password, and from here with one."""

    def __init__(
        self, network: str, name: str, version: str = "17", tls: Path | None = None, options: Sequence[str] = (),
        settings: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """`options` are further ones of `docker run`, `settings` of the server."""
        self.name = name
        self._port = 0  # not known yet
        mounts = ["--volume", f"{tls}:/tls:ro"] if tls else []
        docker(
            "run", "--detach", "--name", name, "--network", network, "--network-alias", name, *mounts, *options,
            "--publish", "127.0.0.1::5432",
            "--env", f"POSTGRES_PASSWORD={SUPERUSERS}", f"holdfast-test-postgres:{version}",
            "postgres", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_wal_size=4GB",
            *(part for setting in settings for part in ("-c", setting)),
        )  # fmt: skip
        wait_for(self.answers, f"PostgreSQL in {name}")
        self.sql("postgres", f"create role {USER} login createdb password {literal(PASSWORD)}")

    def answers(self) -> bool:
        """Tell whether it is up: TCP opens only when initdb and all else is done."""
        try:
            self.ask("select 1")
        except (psycopg.OperationalError, AssertionError):  # there is nobody, or no port of it
            return False
        return True

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask as the superuser from here, where a test asks again and again: no docker exec for each question."""
        try:
            self._port = self._port or published_port(self.name, 5432)
            with psycopg.connect(
                host="127.0.0.1", port=self._port, user="postgres", password=SUPERUSERS, dbname="postgres",
                application_name="asks", autocommit=True, connect_timeout=5,
            ) as connection:  # fmt: skip
                return connection.execute(query.encode()).fetchall()
        except psycopg.OperationalError:
            self._port = 0  # it gets another one when it is started again
            raise

    def shell(self, script: str) -> str:
        """Run a shell script in its container."""
        return docker("exec", self.name, "sh", "-c", script)

    def sql(self, database: str, script: str, user: str = "postgres") -> str:
        """Run SQL within the server; return what it printed, unaligned."""
        return docker(
            "exec", "--interactive", self.name, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", user,
            "-d", f"dbname={conninfo_value(database)}", "-f", "-", stdin=script,
        )  # fmt: skip

    def create(self, database: str) -> None:
        """Create an empty database that belongs to the runner's user."""
        self.sql("postgres", f"create database {identifier(database)} owner {USER} template template0")

    def load(self, database: str, file: Path) -> None:
        """Run a file of SQL as the runner's user."""
        self.sql(database, file.read_text(), USER)

    def create_sample(self, database: str, scale: float) -> None:
        """Create a shop's database, with a large object, enums, views, triggers and so on."""
        self.create(database)
        self.sql(database, f"\\set scale {scale}\nbegin;\n{SAMPLE_SQL.read_text()}\ncommit;\n", USER)

    def fingerprint(self, database: str, first: str = "", more: str = "") -> Fingerprint:
        """Return what is in a database, by name, hashed.

        `first` runs before in the database `postgres`, and may make this one; `more` answers further rows.
        """
        connect = f"\\connect {identifier(database)} postgres\n" if first else ""
        script = f"{first}{connect}{FINGERPRINT_SQL.read_text()}{more}"
        lines = self.sql("postgres" if first else database, script).splitlines()
        return {name: (int(count), digest) for name, count, digest in csv.reader(lines)}

    def pause(self) -> None:
        """Freeze the server: a dump then waits in the middle for as long as a test needs."""
        pause(self.name)

    def unpause(self) -> None:
        unpause(self.name)

    def remove(self) -> None:
        remove(self.name)


class Store:
    """One S3 store with the bucket `backups`."""

    access_key = "holdfast-it"
    secret_key = f"secret-$key$$(HOME)-{secrets.token_hex(8)}"

    def __init__(self, network: str, name: str) -> None:
        self.name = name
        docker(
            "run", "--detach", "--name", name, "--network", network, "--network-alias", name,
            "--publish", "127.0.0.1::8333", "--env", f"S3_ACCESS_KEY={self.access_key}",
            "--env", f"S3_SECRET_KEY={self.secret_key}", "--env", f"S3_BUCKETS={BUCKET}",
            "--env", f"WEED_S3_SSE_KEK={secrets.token_hex(32)}",  # without it, SSE-S3 is refused
            "holdfast-test-seaweedfs:latest",
        )  # fmt: skip
        port = published_port(name, 8333)
        self.endpoint = f"http://{name}:8333"
        self.client: S3Client = boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
        )  # fmt: skip
        wait_for(self._answers, f"the store in {name}")

    def _answers(self) -> bool:
        try:
            self.client.list_buckets()
        except BotoCoreError:
            return False
        return True

    def keys(self, prefix: str) -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return [item["Key"] for item in found]

    def uploads(self, prefix: str) -> list[tuple[str, str]]:
        found = self.client.list_multipart_uploads(Bucket=BUCKET, Prefix=prefix).get("Uploads", [])
        return [(item["Key"], item["UploadId"]) for item in found]

    def parts_in_flight(self, prefix: str) -> int:
        """Return how many parts the uploads under a prefix have."""
        return sum(
            len(self.client.list_parts(Bucket=BUCKET, Key=key, UploadId=upload_id).get("Parts", []))
            for key, upload_id in self.uploads(prefix)
        )

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def remove(self) -> None:
        self.client.close()
        remove(self.name)


def literal(text: str) -> str:
    """Quote as an SQL literal (E'…', so that a backslash means itself)."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def identifier(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def conninfo_value(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
