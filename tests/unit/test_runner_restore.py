"""A directory dump's archive gives back its files and nothing else, wherever its names would like to go."""

import io
import tarfile

import pytest

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres import staging


def an_archive(*members: tarfile.TarInfo) -> tarfile.TarFile:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return tarfile.open(fileobj=io.BytesIO(written.getvalue()), mode="r|")


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


def test_the_files_of_a_dump_lie_in_its_folder(tmp_path):
    with an_archive(member("dump/toc.dat", size=3), member("dump/3001.dat", size=3_000_000)) as archive:
        staging._unpack(archive, tmp_path / "dump")
    assert {file.name: file.stat().st_size for file in (tmp_path / "dump").iterdir()} == {
        "toc.dat": 3, "3001.dat": 3_000_000,
    }  # fmt: skip


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(member("dump/../../etc/passwd"), id="out of the folder"),
        pytest.param(member("dump/.."), id="the folder above"),
        pytest.param(member("/etc/passwd"), id="an absolute name"),
        pytest.param(member("other/toc.dat"), id="another folder"),
        pytest.param(member("dump/deeper/toc.dat"), id="a folder below"),
        pytest.param(member("dump/toc.dat", tarfile.SYMTYPE, link="/etc/passwd"), id="a symbolic link"),
        pytest.param(member("dump/toc.dat", tarfile.LNKTYPE, link="dump/1.dat"), id="a hard link"),
        pytest.param(member("dump/toc.dat", tarfile.CHRTYPE), id="a device"),
        pytest.param(member("dump/toc.dat", tarfile.FIFOTYPE), id="a pipe"),
    ],
)
def test_what_is_no_file_of_a_dump_is_refused(tmp_path, hostile):
    with an_archive(member("dump/1.dat", size=1), hostile) as archive, pytest.raises(HoldfastError) as caught:
        staging._unpack(archive, tmp_path / "dump")
    assert caught.value.reason is Reason.ARCHIVE_UNREADABLE
    assert [path.name for path in tmp_path.rglob("*")] == ["dump", "1.dat"]


@pytest.mark.parametrize(("form", "instead"), [("directory", False), ("custom", True)])
def test_a_scratch_volume_that_fills_up_is_told_and_how_to_do_without_it(tmp_path, monkeypatch, form, instead):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(staging, "unpack", full)
    monkeypatch.setattr(staging.Path, "open", full)
    with pytest.raises(HoldfastError, match="scratch volume: No space left on device") as caught:
        staging.stage(staging.Format(form), iter([b"x"]), tmp_path / "dump")
    assert caught.value.reason is Reason.DISK_FULL
    assert ("leave options.jobs out" in caught.value.remedy) == instead
