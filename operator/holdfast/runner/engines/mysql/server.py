"""Asks a server what a task must know before a tool runs: who it is, how big the database, what the user may see.

The questions go through the same family of client programs as the dump, so that what connects here connects there.
"""

import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from holdfast.api.database import TLSMode
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.stream import BUFFER
from holdfast.runner.engines import again, migrations
from holdfast.runner.engines.mysql import charsets, grants, needs
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.errors import classify, connection_error
from holdfast.runner.engines.mysql.flavour import FLAVOURS
from holdfast.runner.engines.tool_errors import stalled
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line

CONNECT_TIMEOUT = 5  # seconds for one attempt

ANSWER_SECONDS = 60.0  # for all questions of one connection: they are small
ANSWER_BYTES = 32 << 20  # likewise; twenty thousand migrations with long names are a third of it
WRITING_SECONDS = 900.0  # without a byte, while the server writes: the largest row, 1 GiB, needs no more at 1.2 MB/s

# A limit of joins would refuse even the SHOW.
_WHO = (
    "select 'version', version(), current_user(); set session sql_big_selects = 1; "
    "show session status like 'Ssl_cipher';"
)
_SIZE = """
select 'size', coalesce(sum(data_length + index_length), 0) from information_schema.tables
where table_schema = database();
"""
_NOT_TRANSACTIONAL = """
select 'table', t.table_name, coalesce(t.engine, 'no engine')
from information_schema.tables t left join information_schema.engines e on e.engine = t.engine
where t.table_schema = database() and t.table_type <> 'VIEW' and coalesce(e.transactions, 'NO') <> 'YES'
order by 2;
"""
# What the tool cannot write as it is: of a FLOAT six digits; of an enum's values none beyond U+FFFF, which come as '?'
_INEXACT = """
select 'inexact', concat(table_name, '.', column_name), data_type from information_schema.columns
where table_schema = database() and (data_type = 'float' or data_type in ('enum', 'set') and column_type like '%?%')
order by 2;
"""
HISTORIES = f"""
select 'history', c.table_name, c.column_name, c.data_type
from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
where table_schema = database() and t.table_type <> 'VIEW'
  and lower(table_name) in ({", ".join(f"'{name}'" for name in migrations.tables())})
order by c.table_name, c.ordinal_position;
"""  # noqa: S608 - our own words
_GRANTS = "set session sql_mode = ''; show grants;"
# Before anything is lifted: how many rows a SELECT may bring.
_LIMIT = "select 'limit', @@session.sql_select_limit;"
_USER_OBJECTS = """
select 'object', table_name from information_schema.tables where table_schema = database()
union all select 'object', routine_name from information_schema.routines where routine_schema = database()
union all select 'object', event_name from information_schema.events where event_schema = database()
order by 2 limit 1000;
"""
# What the dump's own session does: of its own user, everybody may see them. It has no database until it has chosen one.
_DUMPING = """
select 'doing', id, time, coalesce(state, '') from information_schema.processlist
where concat(user, '@', substring_index(user(), '@', -1)) = user() and (db is null or db = database())
  and id <> connection_id() and command not in ('Sleep', 'Killed')
order by id limit 100;
"""
_WRITING = ("Sending to client", "Writing to net")  # MySQL's word, and MariaDB's
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "0": "\0"}


@dataclass(frozen=True)
class Server:
    """What the server said."""

    version: str
    user: str
    """As the server knows it: `name@host`."""
    database_size: int
    not_transactional: list[tuple[str, str]]
    """Names of tables, each with its engine."""
    inexact: list[tuple[str, str]]
    """Columns that the dump tool cannot write as they are, each with its type."""
    grants: list[str]
    histories: list[tuple[str, str, str]]
    """Of tables that may be a migration tool's: name, column and the column's type."""
    select_limit: int
    """How many rows a SELECT of a session may bring unless it says otherwise."""
    holey: list[tuple[str, str]]
    """Columns with a character set that has bytes which utf8mb4 does not carry, each with its character set."""
    typed: list[tuple[str, str]]
    """One of the columns that cannot be dumped as bytes, with its type."""
    beside: list[list[str]]
    """What the dump will not hold: the answers to needs.py."""


def inspect(target: Target, stop: Stop) -> Server:
    """Connect and ask all of it. Raises the connection's errors (exit 3), and WrongEngine."""
    questions = _SIZE + _NOT_TRANSACTIONAL + _INEXACT + charsets.question(target.flavour.engine) + HISTORIES
    rows = ask(
        target, _LIMIT + target.flavour.session + questions + needs.question(target.flavour.engine) + _GRANTS, stop
    )
    version, user = next((row[1], row[2]) for row in rows if row[0] == "version")
    return Server(
        version=version,
        user=user,
        database_size=next(int(row[1]) for row in rows if row[0] == "size"),
        not_transactional=[(row[1], row[2]) for row in rows if row[0] == "table"],
        inexact=[(row[1], row[2]) for row in rows if row[0] == "inexact"],
        grants=grants.lines(rows),
        histories=[(row[1], row[2], row[3]) for row in rows if row[0] == "history"],
        select_limit=next(int(row[1]) for row in rows if row[0] == "limit"),
        holey=[(row[1], row[2]) for row in rows if row[0] == "holey"],
        typed=[(row[1], row[2]) for row in rows if row[0] == "typed"],
        beside=[row for row in rows if row[0] in needs.ANSWERS],
    )


def user_objects(target: Target, stop: Stop) -> list[str]:
    """Return the names of tables, views, routines and events, at most 1000."""
    return [row[1] for row in ask(target, target.flavour.session + _USER_OBJECTS, stop) if row[0] == "object"]


def require_dumping(target: Target, stop: Stop, seconds: float) -> list[str]:
    """Ask the server about a dump that was silent for so long; return what its session does.

    Raises DumpStalled where the server does not answer any more, knows of no session that does anything, or has written
    for WRITING_SECONDS what does not arrive.
    """
    tool = target.flavour.dump
    try:
        rows = ask(target, _DUMPING, stop)
    except HoldfastError as error:
        stop.check()
        raise stalled(tool, seconds, f"the server no longer answers: {error.message}") from error
    sessions = [row for row in rows if row[0] == "doing"]
    if sessions and seconds >= WRITING_SECONDS and all(row[3] in _WRITING for row in sessions):
        raise stalled(tool, seconds, "the server is still sending, but nothing arrives")
    if not sessions:
        raise stalled(tool, seconds, f"the server has no active session for {target}")
    return [f"{row[1]} for {row[2]} s: {row[3] or 'active'}" for row in sessions]


def look(target: Target, question: str, stop: Stop) -> list[list[str]]:
    """Ask once; return the rows. Raises ValueError with what the client said where that failed, or of too many rows."""
    try:
        rows, failed = _run(target, target.flavour.patience + question, stop)
    except HoldfastError as error:
        if error.reason is not Reason.CONNECTION_FAILED:
            raise
        raise ValueError(error.message) from error
    if failed is not None:
        raise ValueError(failed)
    return rows


def ask(target: Target, questions: str, stop: Stop) -> list[list[str]]:
    """Connect and ask; return the rows. What may pass by itself is tried again within the window.

    Raises the connection's errors (exit 3), WrongEngine, and TLSFailed where it must be encrypted and is not.
    """

    def attempt() -> list[list[str]]:
        rows, failed = _run(target, _WHO + questions, stop)
        _require(target, rows)
        if failed is None:
            return rows
        told = connection_error(failed, target)
        if classify(failed).passes:
            raise again.PassingError(told)
        _require_family(target, greeting(target))
        raise told

    try:
        return again.patiently(attempt, stop)
    except again.PassingError as error:
        _require_family(target, greeting(target))
        raise error.told from None


def _run(target: Target, questions: str, stop: Stop) -> tuple[list[list[str]], str | None]:
    """Return the rows that came, and what the client said where it failed.

    Raises ConnectionTimeout where the answer does not come to its end in time, ConnectionFailed where it is too large.
    """
    command = [
        target.flavour.client,
        *target.arguments(),
        f"--connect-timeout={CONNECT_TIMEOUT}",
        "--batch",
        "--skip-column-names",
        "--quick",  # the client, too, shall not hold an answer without end
        f"--database={target.database}",
        f"--execute={questions}",
    ]
    with Tool(command, stdout=True) as tool, stop.calling(tool.kill), answering(tool, target):
        text = _read(tool, target).decode(errors="replace")
        code = tool.wait()
        stop.check()
        rows = [[_unescaped(value) for value in line.split("\t")] for line in text.split("\n") if line]
        return rows, None if code == 0 else tool.said() or f"{tool.name} ended with code {code} and without a message"


@contextmanager
def answering(tool: Tool, target: Target) -> Iterator[None]:
    """Kill the client when it has not come to its end in time.

    A server that falls silent within its greeting, or says endlessly something, would else hold the task until its
    deadline: the client's own limit is for the connection and the greeting's first byte. Raises ConnectionTimeout.
    """
    late = threading.Event()

    def end() -> None:
        late.set()
        tool.kill()

    timer = threading.Timer(ANSWER_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
    if late.is_set():
        raise HoldfastError(
            Reason.CONNECTION_TIMEOUT,
            f"{target} accepted the connection, but did not answer within {ANSWER_SECONDS:.0f} s",
            "check what the server is busy with, and any pooler or proxy before it",
        )


def _read(tool: Tool, target: Target) -> bytes:
    answer = bytearray()
    while chunk := tool.stdout.read(BUFFER):
        answer += chunk
        if len(answer) > ANSWER_BYTES:
            raise HoldfastError(
                Reason.CONNECTION_FAILED,
                f"{target} answered a small query with more than {ANSWER_BYTES >> 20} MiB",
                "check host and port, and any proxy in between: what answers there may not be the server",
            )
    return bytes(answer)


def greeting(target: Target) -> str:
    """Return the version with which a server greets whoever connects; empty where it is none of the family.

    Its own client may be unable to log in, and so to say that the server is of the other family.
    """
    try:
        with socket.create_connection((target.host, int(target.port)), CONNECT_TIMEOUT) as connection:
            packet = connection.recv(256)
    except OSError:
        return ""
    # three bytes of length, a number, the protocol's version, then the server's, up to a NUL
    version, end, _ = packet[5:].partition(b"\0")
    return version.decode(errors="replace") if packet[4:5] == b"\x0a" and end else ""


def _require_family(target: Target, version: str) -> None:
    if version and not target.flavour.of(version):
        other = next(engine for engine in FLAVOURS if engine is not target.flavour.engine)
        raise HoldfastError(
            Reason.WRONG_ENGINE,
            f"the server of {target} has version {one_line(version, 100)}, which is not {target.flavour.name}",
            f"set database.engine: {other}",
        )


def _unescaped(value: str) -> str:
    """Undo what `--batch` does to line breaks, tabs, NULs and backslashes."""
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), value)


def _require(target: Target, rows: Sequence[Sequence[str]]) -> None:
    """See who answered, and whether nobody can listen in, before anything else is asked of it."""
    facts = {row[0]: row[1] for row in rows if len(row) > 1}
    version = facts.get("version")
    if version is None:
        return
    _require_family(target, version)
    if target.tls is not TLSMode.DISABLE and target.tls is not TLSMode.PREFER and not facts.get("Ssl_cipher"):
        raise HoldfastError(
            Reason.TLS_FAILED,
            f"cannot connect to {target}: connection.tls.mode is {target.tls}, but the server does not offer TLS",
            "give the server a certificate, or set connection.tls.mode to prefer or disable",
        )
