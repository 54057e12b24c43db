"""A tool sees no Secret, no token and nothing of the runner; what it is given to work with, it can use."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.runner.engines.tools import Tool, minimal
from holdfast.runner.pod import confinement

pytestmark = pytest.mark.skipif(not confinement.version(), reason="this kernel has no Landlock")
SECRETS = ("database", "storage", "age-identity")


@pytest.fixture
def pod(tmp_path, monkeypatch):
    """What lies in a Pod, with a value in each Secret."""
    for name in (*SECRETS, "run", "scratch", "proc"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text("hush-hush")
    (tmp_path / "termination-log").touch()
    hidden = [tmp_path / name for name in (*SECRETS, "termination-log")]
    monkeypatch.setattr(confinement, "HIDDEN", (*hidden, "/proc"))
    return tmp_path


def a_tool(pod, script) -> str:
    """Run a script in a tool's place; return what it could tell."""
    tool = pod / "tool"
    tool.write_text(f"#!/bin/sh\ncd {pod}\n{script}\n")
    tool.chmod(0o755)
    with Tool([str(tool)], stdout=True) as running:
        said = running.stdout.read().decode()
        running.wait()
        return said + running.said()


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "how",
    [
        "cat {}/key",
        "cat ./run/../{}/key",
        "ls {}",
        "cp {}/key scratch/copy; cat scratch/copy",
        "ln -s ../{}/key run/link; cat run/link",
        "ln {}/key scratch/hard; cat scratch/hard",
        "mv {}/key scratch/; cat scratch/key",
        "cat {}-link/key",
    ],
)
def test_no_secret_can_be_read_whichever_way(pod, name, how):
    (pod / f"{name}-link").symlink_to(pod / name)
    (pod / "scratch/key").unlink()
    said = a_tool(pod, how.format(name))
    assert "hush" not in said
    assert "key\n" not in said
    assert "ermission denied" in said or "cross-device" in said


@pytest.mark.parametrize("file", ["environ", "mem", "fd/0", "maps", "cmdline", "root/etc/passwd", "cwd"])
def test_nothing_of_the_runners_process_can_be_read(pod, file):
    assert "ermission denied" in a_tool(pod, f"head -c 100 /proc/{os.getpid()}/{file}")


def test_the_runner_is_neither_signalled_nor_is_its_report_written(pod):
    said = a_tool(pod, f"kill -TERM {os.getpid()}; echo forged > termination-log; mv run/key termination-log")
    assert said.count("ermi") >= 3
    assert (pod / "termination-log").read_text() == ""


def test_what_it_works_with_is_there(pod):
    script = """
        cat run/key
        echo x > scratch/new; mkdir scratch/dir; mv scratch/new scratch/dir/; ls scratch/dir; rm -r scratch/dir
        cat /etc/hosts > /dev/null && head -c 1 /dev/urandom > /dev/null && echo fine
    """
    said = a_tool(pod, script)
    assert said.split() == ["hush-hushnew", "fine"]


def test_a_program_starts_no_other(pod):
    """As psql would for `\\!`: a real tool is a program, not a script."""
    script = (
        "import subprocess, sys\ntry: subprocess.run(['/bin/sh', '-c', 'echo started'])\nexcept OSError as e: print(e)"
    )
    with Tool([sys.executable, "-c", script], stdout=True) as tool:
        assert "Permission denied" in tool.stdout.read().decode()
        assert tool.wait() == 0


def test_its_workers_are_confined_as_it_is(pod):
    assert "hush" not in a_tool(pod, "(sleep 0; cat storage/key) & (setsid cat storage/key) & wait")


def test_the_runner_itself_is_not_confined_by_it(pod):
    a_tool(pod, "true")
    assert (pod / "storage/key").read_text() == "hush-hush"
    assert subprocess.run(["cat", pod / "storage/key"], capture_output=True, check=True).stdout == b"hush-hush"


def test_of_the_environment_it_gets_what_a_program_needs_and_what_is_named(pod, monkeypatch):
    for name in ("HOLDFAST_TASK", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "MYSQL_PWD", "https_proxy", "LD_PRELOAD"):
        monkeypatch.setenv(name, "hush-hush")
    assert "hush" not in a_tool(pod, "env")
    assert "hush-hush" not in minimal().values()
    with Tool([shutil.which("env") or "env"], stdout=True, environment={"PGSERVICEFILE": "/run/x"}) as tool:
        assert "PGSERVICEFILE=/run/x\n" in tool.stdout.read().decode()


def test_it_has_no_file_of_the_runners_open(pod):
    with (pod / "storage/key").open() as held:
        os.set_inheritable(held.fileno(), True)
        assert "hush" not in a_tool(pod, f"cat <&{held.fileno()}")


def test_all_that_holds_a_secret_in_a_pod_is_hidden():
    """The contract's own paths, but for the certificate authorities and what the runner writes for the tool."""
    hidden = set(confinement.HIDDEN)
    assert {"/etc/holdfast/database", "/etc/holdfast/storage", "/etc/holdfast/age-identity"} <= hidden
    assert {"/proc", "/run/secrets", "/dev/termination-log"} <= hidden


def test_without_landlock_a_tool_runs_all_the_same(pod, monkeypatch):
    monkeypatch.setattr(confinement, "version", lambda: 0)
    assert a_tool(pod, "cat storage/key") == "hush-hush"


def test_a_process_that_closes_itself_cannot_be_read_by_its_user():
    script = (
        "import ctypes\nfrom holdfast.runner.pod import confinement\nconfinement.close_to_others()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"  # PR_GET_DUMPABLE
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_an_elf_program_names_its_loader_and_a_script_none(tmp_path):
    loader = confinement.interpreter(Path(sys.executable).resolve())
    assert loader is not None
    assert loader.name.startswith("ld-")
    (tmp_path / "script").write_text("#!/bin/sh\n")
    assert confinement.interpreter(tmp_path / "script") is None
