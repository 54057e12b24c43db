"""Has the client run statements one after the other, for as long as they take; the first that fails ends it.

Statements come by its input, since a rename of a thousand tables is longer than an argument may be, and each ends in a
delimiter that nobody can have foreseen: what stands in a routine's body is the application's.
"""

import re
import secrets
import threading
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.dumps import MAX_PACKET
from holdfast.runner.engines.mysql.errors import explained
from holdfast.runner.engines.tool_errors import check
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.stop import Stop

BYTES = "surrogateescape"  # names and bodies are in the server's own character sets, and go back as they came
MOST = 256 << 20  # bytes of an answer: the definitions of a database
_MARK = "holdfast: after"
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "0": "\0"}


def run(target: Target, statements: Iterable[str], stop: Stop, doing: str, *, whole: bool = False) -> list[list[str]]:
    """Return the rows of all of them; `doing` completes 'while …'. Raises RestoreFailed with the server's words.

    `whole`: the task's end does not end it half-way, and is not told here. Each statement must be one that ends soon.
    """
    return _run(target, statements, stop, doing, whole=whole)


def each(target: Target, statements: Sequence[str], stop: Stop, doing: str) -> list[str | None]:
    """Run each statement, also after others have failed; return what the server said of those that failed.

    Raises RestoreFailed where the connection ends before the last one.
    """
    marked = (
        said
        for number, statement in enumerate(statements)
        for said in (statement, "show errors", f"select '{_MARK}', {number}")
    )
    last = f"{_MARK}\t{len(statements) - 1}\n"
    rows = _run(target, marked, stop, doing, to_the_end=last) if statements else []
    failed: list[str | None] = []
    said: str | None = None
    for row in rows:
        if row[0] == _MARK:
            failed.append(said)
            said = None
        elif row[0] == "Error" and len(row) > 2:
            said = said or f"{row[2]} ({row[1]})"
    if len(failed) != len(statements):
        raise HoldfastError(
            Reason.RESTORE_FAILED,
            f"the connection to {target} ended while {doing}",
            "read the server's log, then restore again",
        )
    return failed


def _run(
    target: Target, statements: Iterable[str], stop: Stop, doing: str, *, whole: bool = False, to_the_end: str = ""
) -> list[list[str]]:
    """See `run`; `to_the_end` is what the answer ends in where no statement's error is to end it."""
    if not whole:
        stop.check()
    delimiter = f"//{secrets.token_hex(6)}"  # clients take 15 characters at most
    script = "".join(f"{each}\n{delimiter}\n" for each in (f"{target.flavour.lifted}", *statements))
    command = [
        target.flavour.client, *target.arguments(), *target.flavour.restores, "--batch", "--binary-mode",
        "--skip-column-names", "--quick", "--local-infile=0", MAX_PACKET, f"--database={target.database}",
        *(["--force"] if to_the_end else []),
    ]  # fmt: skip
    with Tool(command, stdin=True, stdout=True) as tool, nullcontext() if whole else stop.calling(tool.kill):
        writer = threading.Thread(target=_write, args=(tool, f"DELIMITER {delimiter}\n{script}"), daemon=True)
        writer.start()
        answer = tool.stdout.read(MOST)
        while chunk := answer and tool.stdout.read(MOST):
            answer += chunk
            if len(answer) > MOST:
                raise HoldfastError(
                    Reason.RESTORE_FAILED,
                    f"{target} answered with more than {MOST >> 20} MiB while {doing}",
                    "look at the views and routines of the database: no application has definitions of this size",
                )
        writer.join()
        with explained():
            code = tool.wait()
            if not whole:
                stop.check()
            ended_well = bool(to_the_end) and answer.endswith(to_the_end.encode())
            check(tool, 0 if ended_well else code, Reason.RESTORE_FAILED, doing)
    lines = answer.decode(errors=BYTES).split("\n")
    return [[_unescaped(value) for value in line.split("\t")] for line in lines if line]


def _write(tool: Tool, script: str) -> None:
    data = memoryview(script.encode(errors=BYTES))
    with suppress(BrokenPipeError, ValueError):  # it has ended, and says why
        while data:
            data = data[tool.stdin.write(data) :]
        tool.stdin.close()


def _unescaped(value: str) -> str:
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), value)


def literal(text: str) -> str:
    """Write a text as a value, whatever the sql_mode is."""
    data = text.encode(errors=BYTES)
    return f"convert(x'{data.hex()}' using utf8mb4)" if data else "''"
