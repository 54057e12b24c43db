"""Runs inside an image, under its own Python, and prints what it finds there as JSON: one start of a container each."""

import getpass
import importlib
import json
import os
import shutil
import sqlite3
import ssl
import struct
import subprocess
import sysconfig
import zoneinfo
from pathlib import Path

BUILDERS = ["gcc", "g++", "cc", "clang", "ld", "as", "make", "pip", "pip3", "uv", "hatchling", "curl", "wget", "git"]
LIBRARIES = ["aiohttp", "boto3", "botocore", "isal", "kopf", "kubernetes", "prometheus_client", "psycopg", "pydantic"]
LIBRARIES += ["pip", "structlog"]
TOOLS = ["pg_dump", "pg_restore", "psql", "mysql", "mysqldump", "mariadb", "mariadb-dump"]
OWN = ("/bin", "/etc", "/opt", "/sbin", "/usr", "/var/lib")


def output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def writable() -> list[str]:
    paths = (Path(folder, name) for top in OWN for folder, _, files in os.walk(top) for name in [".", *files])
    return [str(path) for path in paths if not path.is_symlink() and os.access(path, os.W_OK)]


def compiled(source: Path) -> bool:
    """Whether Python will use what is compiled: its header carries the source's time and size."""
    cached = Path(importlib.util.cache_from_source(str(source)))
    state = source.stat()
    expected = struct.pack("<III", 0, int(state.st_mtime) & 0xFFFFFFFF, state.st_size & 0xFFFFFFFF)
    return cached.exists() and cached.read_bytes()[4:16] == expected


def uncompiled() -> list[str]:
    libraries = Path(sysconfig.get_path("purelib"))
    standard = Path(sysconfig.get_path("stdlib"))
    sources = [*libraries.rglob("*.py"), *standard.glob("*.py"), *(standard / "asyncio").glob("*.py")]
    return [str(path) for path in sources if not compiled(path)]


def endpoints() -> list[str]:
    """Of every service that is known, in each partition of AWS."""
    import boto3

    regions = ("eu-central-1", "cn-north-1", "us-gov-west-1")
    services = boto3.Session().get_available_services()
    return [boto3.client(name, region_name=region).meta.endpoint_url for name in services for region in regions]


def works(name: str) -> bool:
    """Whether it can be imported: psycopg links libpq, which only PostgreSQL's runner has."""
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


found = [name for name in LIBRARIES if works(name)]
package = Path("/etc/holdfast/client-version")
print(
    json.dumps(
        {
            "uid": os.getuid(),
            "name": getpass.getuser(),
            "version": importlib.import_module("holdfast").__version__,
            "libraries": found,
            "builders": [name for name in BUILDERS if shutil.which(name)],
            "perl": [name for name in output("dpkg-query", "-W", "-f", "${Package}\n").splitlines() if "perl" in name],
            "writable": writable(),
            "uncompiled": uncompiled(),
            "authorities": len(ssl.create_default_context().get_ca_certs()),
            "zone": str(zoneinfo.ZoneInfo("Europe/Berlin")),
            "endpoints": endpoints() if "boto3" in found else [],
            "tools": {name: output(name, "--version") for name in TOOLS if shutil.which(name)},
            "sqlite": sqlite3.sqlite_version,
            "package": package.read_text().strip() if package.exists() else "",
        }
    )
)
