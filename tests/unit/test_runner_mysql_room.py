"""A restore that cannot have room on the disk of a MariaDB server is refused, where the server tells of its disk."""

from pathlib import Path

import pytest
from tests.manifests import a_manifest

from holdfast.api.database import Engine, TLSMode
from holdfast.contract.manifest import Manifest
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql import room, server
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.flavour import FLAVOURS
from holdfast.runner.pod.stop import Stop

NO_PLUGIN = "ERROR 1109 (42S02) at line 2: Unknown table 'DISKS' in information_schema"
DATA = "/var/lib/mysql/data/"


def a_disk(path: str, kib: int, data: str = DATA) -> list[str]:
    return ["disk", path.encode().hex(), str(kib), data.encode().hex()]


def a_dump(stored: int = 50 << 10, size: int | None = 200 << 10, compression: str = "gzip") -> Manifest:
    manifest = a_manifest()
    artifact = manifest.artifact.model_copy(update={"size_bytes": stored, "compression": compression})
    database = manifest.database.model_copy(update={"size_bytes": size})
    return manifest.model_copy(update={"artifact": artifact, "database": database})


def required(
    monkeypatch: pytest.MonkeyPatch, answer: list[list[str]] | str, manifest: Manifest, engine: Engine = Engine.MARIADB
) -> list[str]:
    def look(*_: object) -> list[list[str]]:
        if not isinstance(answer, str):
            return answer
        raise ValueError(answer)

    monkeypatch.setattr(server, "look", look)
    target = Target(FLAVOURS[engine], "db", "3306", "u", "copy", TLSMode.PREFER, Path("/c.cnf"))
    return room.require(target, manifest, Stop())


@pytest.mark.parametrize(
    ("disks", "manifest"),
    [
        pytest.param([a_disk("/var/lib/mysql", 49)], a_dump(), id="the dump alone is more, compressed as it is"),
        pytest.param([a_disk("/var/lib/mysql", 49)], a_dump(1 << 30), id="the original was more"),
        pytest.param([a_disk("/var", 900), a_disk("/var/lib/mysql", 49)], a_dump(), id="of several, the nearest"),
        pytest.param([a_disk("/", 900), a_disk(DATA, 49)], a_dump(), id="the data's own"),
    ],
)
def test_what_cannot_fit_is_refused_by_name(monkeypatch, disks, manifest):
    with pytest.raises(HoldfastError) as caught:
        required(monkeypatch, disks, manifest)
    assert caught.value.reason is Reason.DISK_FULL
    assert "has 50 kB (50176 bytes) available, and the restored database needs more than " in caught.value.message
    assert caught.value.remedy.endswith("; nothing was changed")


@pytest.mark.parametrize(
    ("answer", "manifest"),
    [
        pytest.param([a_disk("/var/lib/mysql", 50)], a_dump(), id="it may fit"),
        pytest.param([a_disk("/", 1)], a_dump(), id="the root, below which another may be mounted"),
        pytest.param([a_disk("/var/lib/mysql-files", 1)], a_dump(), id="another folder's"),
        pytest.param([], a_dump(), id="a user without the right FILE sees none"),
        pytest.param([a_disk("/var/lib/mysql", 1)], a_dump(compression="none"), id="a dump that is not compressed"),
        pytest.param([a_disk("/var/lib/mysql", 1)], a_dump(size=None), id="the original's size is not known"),
        pytest.param(NO_PLUGIN, a_dump(), id="MariaDB without the plugin"),
    ],
)
def test_what_is_not_known_for_sure_refuses_nothing(monkeypatch, answer, manifest):
    assert required(monkeypatch, answer, manifest) == []


def test_mysql_tells_nothing_and_is_not_asked(monkeypatch):
    assert required(monkeypatch, [a_disk("/var/lib/mysql", 1)], a_dump(), Engine.MYSQL) == []


def test_another_error_is_told_and_refuses_nothing(monkeypatch):
    (warning,) = required(monkeypatch, "ERROR 1142 (42000): denied", a_dump())
    assert warning == "the room on the server's disk is not known: ERROR 1142 (42000): denied"
