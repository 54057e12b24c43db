"""Runs other programs: argument lists only, never a shell, and a failure that shows the program's own last words."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError

LAST_LINES = 15


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    text_in: str | None = None,
    timeout: float | None = None,
    remedy: str = "",
) -> str:
    """Standard output of a program that must succeed."""
    done = attempt(argv, env=env, cwd=cwd, text_in=text_in, timeout=timeout)
    if done.returncode:
        words = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:])
        command = " ".join(map(str, argv))
        raise ClusterError(f"`{command[:200]}` ended with {done.returncode}:\n{words}\n{remedy}".rstrip())
    return done.stdout


def attempt(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    text_in: str | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """A program whose failure is an answer too; a missing program or a time-out reads as exit code 127 or 124."""
    words = [str(word) for word in argv]
    try:
        return subprocess.run(
            words, env=env, cwd=cwd, input=text_in, timeout=timeout, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(words, 127, "", str(error))
    except subprocess.TimeoutExpired as error:
        return subprocess.CompletedProcess(words, 124, "", f"no end after {error.timeout:.0f} s")


def pipe(source: Sequence[str | Path], sink: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> str:
    """`source | sink`, both of which must succeed; the sink's standard output."""
    with subprocess.Popen([str(word) for word in source], stdout=subprocess.PIPE, env=env) as first:
        second = subprocess.run(
            [str(word) for word in sink], stdin=first.stdout, env=env, capture_output=True, text=True, check=False
        )
        if first.stdout is not None:
            first.stdout.close()
        code = first.wait()
    if code or second.returncode:
        raise ClusterError(
            f"`{source[0]} | {sink[0]}` ended with {code} and {second.returncode}: {second.stderr[-800:]}"
        )
    return second.stdout
