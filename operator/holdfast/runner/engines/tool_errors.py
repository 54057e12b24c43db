"""How a tool's end is told to a person: killed, out of disk, or failed with its own last words."""

import re
import signal
from collections.abc import Iterable, Mapping

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.stop import Stop

RESTORING = "restoring"

LARGE_OBJECTS = (
    "as a superuser, ALTER ROLE the_user SET lo_compat_privileges = on, or GRANT SELECT ON LARGE OBJECT for each "
    "large object: pg_read_all_data does not include them"
)
NEWER_CLIENT = (
    "restore with the image that took the backup, into a server of that image's version or newer: a client newer than "
    "the server, or than this one, wrote the dump. To avoid this, give the chart a runner image of the server's own "
    "version"
)
OLDER_RELEASE = (
    "restore into a server of the version that was dumped, and use a runner image with a newer client for new "
    "backups: a client older than its server wrote the dump, with settings that only the newer server knows"
)
LOCKS = (
    "raise the server's max_locks_per_transaction to the number of tables and indexes divided by max_connections, and "
    "restart the server: it has no room for so many locks"
)
TOO_MANY = (
    "end connections that are idle, or raise the limit that the message names: as an administrator, ALTER ROLE … (or "
    "ALTER DATABASE …) CONNECTION LIMIT n, where -1 is no limit"
)
NO_CONNECTION = "raise max_connections, or end idle connections: the server has no connection left"
_REMEDIES = (
    ("too many connections for", TOO_MANY),
    ("too many clients", NO_CONNECTION),
    ("remaining connection slots", NO_CONNECTION),
    ("permission denied for large object", LARGE_OBJECTS),
    ("unrecognized configuration parameter", NEWER_CLIENT),
    ("unsupported version", NEWER_CLIENT),
    ("unrecognized parameter", OLDER_RELEASE),
    ("out of shared memory", LOCKS),
    (
        "permission denied",
        "grant the user what the message names; to grant all reads at once: GRANT pg_read_all_data TO the user",
    ),
    ("row-level security", "use a user with BYPASSRLS: a dump that row-level policies filter would not be complete"),
    ("lock timeout", "find the session that holds the lock in pg_locks and end it, then create another backup"),
    (
        "server closed the connection",
        "read the server's log, then create another backup: the server ended the connection",
    ),
    ("terminating connection", "read the server's log, then create another backup: the server ended the connection"),
    (
        "invalid command \\restrict",
        "use a newer build of the runner image: this psql lacks \\restrict, which keeps a dump from running commands",
    ),
    ("server version mismatch", "use the runner image of the server's version"),
)

_ADMINISTRATOR = (
    "as an administrator, CREATE EXTENSION with the name in the message in the empty target, then restore again: "
    "only a superuser may create an extension that is not trusted"
)
_OWNER = (
    "restore with the user who owns the target (CREATE DATABASE name OWNER that_user TEMPLATE template0); what only "
    "a superuser may create, only a superuser can restore"
)
_OUR_DISK = "raise job.scratch.sizeLimit, or free space on the node's disk"
_TARGETS_DISK = (
    "free space on the disk of the database server, or enlarge it, then restore again: in mode Replace it has both "
    "databases until the old one is removed"
)
_READ_ONLY = (
    "find out who has set the database server read-only, or name the server that may be written to, then restore again"
)
# Of a restore, since it is another user who may need another right, and another thing to do next.
_RESTORE_REMEDIES = (
    ("permission denied to create extension", _ADMINISTRATOR),
    ("permission denied", _OWNER),
    ("must be owner of", _OWNER),
    ("must be superuser", "restore with a superuser, if you trust whoever wrote the dump: nobody else may create this"),
    (
        "invalid byte sequence for encoding",
        "drop the target and create it with the encoding in the backup's status.needs, then restore again",
    ),
    (
        "already exists",
        "restore into a new, empty database: CREATE DATABASE name OWNER that_user TEMPLATE template0",
    ),
    ("read-only transaction", _READ_ONLY),
    ("row-level security", "restore with the user who owns the target, or with BYPASSRLS"),
    ("lock timeout", "find the session that holds the lock in pg_locks and end it, then restore again"),
    ("server closed the connection", "read the server's log, then restore again: the server ended the connection"),
    ("terminating connection", "read the server's log, then restore again: the server ended the connection"),
)
_ROLE_MISSING = re.compile(r'role "[^"]*" does not exist')
_UNQUALIFIED = re.compile(r'(relation "[^"]*"|function [^ ]*\(.*\)|type "[^"]*") does not exist')
CREATE_ROLE = "as an administrator, CREATE ROLE with the name in the message, then restore again"
SEARCH_PATH = (
    "in the original database, run ALTER FUNCTION … SET search_path, then back up again: a function names something "
    "without its schema, a check, an index or a generated column calls that function, and a restore runs with an "
    "empty search_path. To restore this dump, do it by hand, and leave out the line that empties search_path"
)


def remedy_for(said: str, failed: Reason) -> str:
    """Return what to do about what a tool said; a restore has words of its own."""
    if failed is Reason.RESTORE_FAILED:
        if _ROLE_MISSING.search(said):
            return CREATE_ROLE
        if _UNQUALIFIED.search(said):
            return SEARCH_PATH
    known = (*(_RESTORE_REMEDIES if failed is Reason.RESTORE_FAILED else ()), *_REMEDIES)
    return next(
        (words for sign, words in known if sign in said),
        "correct what the message names: the message is the tool's own",
    )


def check(tool: Tool, code: int, failed: Reason, doing: str) -> None:
    """Raise unless the tool exited 0; `failed` is the reason of a plain failure, `doing` completes 'while …'."""
    if code == 0:
        return
    said = tool.said() or "no message"
    if code < 0:
        name = signal.Signals(-code).name
        raise HoldfastError(
            failed if failed is Reason.RESTORE_FAILED else Reason.DUMP_KILLED,
            f"{tool.name} was killed by {name} while {doing}",
            "raise job.resources.limits.memory, since memory is the most frequent cause, then create another backup; "
            "if that does not help, look at the memory of the node",
        )
    if "No space left on device" in said:
        raise HoldfastError(
            Reason.DISK_FULL,
            f"{tool.name} while {doing}: {said}",
            _TARGETS_DISK if failed is Reason.RESTORE_FAILED else _OUR_DISK,
        )
    raise HoldfastError(failed, f"{tool.name} exited {code} while {doing}: {said}", remedy_for(said, failed))


def stalled(tool: str, seconds: float, why: str) -> HoldfastError:
    """Make the error of a dump that was silent for so long, and that nobody works for any more."""
    return HoldfastError(
        Reason.DUMP_STALLED,
        f"{tool} wrote nothing for {seconds:.0f} s, and {why}",
        "read the server's log and check the network on the way to it, then create another backup; if several "
        "servers share this address, set connection.host to one of them: Holdfast may have asked another server "
        "about this dump",
    )


class Feed:
    """Writes all of each chunk into a tool that may have read enough before the end."""

    def __init__(self, tool: Tool, failed: Reason, doing: str) -> None:
        """`failed` and `doing` are what `check` is given when the tool ends before its input."""
        self._tool = tool
        self._failed = failed
        self._doing = doing
        self.open = True  # whether it still takes what it is given

    def write(self, data: memoryview) -> None:
        """Write a chunk. Raises what the tool failed with; one that ended well needs no more."""
        try:
            while self.open and data:
                data = data[self._tool.stdin.write(data) :]
        except BrokenPipeError:
            self.open = False
            check(self._tool, self._tool.wait(), self._failed, self._doing)


def feed_tool(
    command: list[str],
    stream: Iterable[bytes],
    stop: Stop,
    progress: Progress,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Restore a stream by a tool that reads it from its standard input.

    On an error the tool is killed before its input ends: what it has done in an open transaction is rolled back.
    """
    with Tool(command, stdin=True, environment=environment) as tool, stop.calling(tool.kill):
        feed = Feed(tool, Reason.RESTORE_FAILED, RESTORING)
        for chunk in stream:
            feed.write(memoryview(chunk))
            progress.uncompressed += len(chunk)
        stop.check()
        code = tool.wait()
        stop.check()
        check(tool, code, Reason.RESTORE_FAILED, RESTORING)
