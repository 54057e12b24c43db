"""How a tool's end is told to a person: killed, out of disk, or failed with its own last words."""

import signal
from collections.abc import Iterable, Mapping

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.stop import Stop

RESTORING = "restoring"

LARGE_OBJECTS = (
    "a superuser: ALTER ROLE the_user SET lo_compat_privileges = on; or GRANT SELECT ON LARGE OBJECT for each: "
    "pg_read_all_data does not cover them"
)
NEWER_CLIENT = (
    "a newer client than the server's, or than this one, wrote it: restore with the image that took the backup, into a "
    "server of that image's version or newer; the backups of a server whose own version has an image are free of it"
)
OLDER_RELEASE = (
    "a client of an older release than its server wrote it, with what only a server of that newer release knows: "
    "restore into a server of the version that was dumped, and use a runner image with a newer release"
)
LOCKS = (
    "the server has no room for so many locks: raise max_locks_per_transaction to the number of tables and indexes "
    "divided by max_connections, and restart it"
)
_REMEDIES = (
    ("permission denied for large object", LARGE_OBJECTS),
    ("unrecognized configuration parameter", NEWER_CLIENT),
    ("unsupported version", NEWER_CLIENT),
    ("unrecognized parameter", OLDER_RELEASE),
    ("out of shared memory", LOCKS),
    ("permission denied", "grant the user what the message names; for all of it: GRANT pg_read_all_data TO the user"),
    ("row-level security", "use a user with BYPASSRLS: a dump that policies filter would not be whole"),
    ("lock timeout", "something holds a lock on the table: look in pg_locks, and create another backup"),
    ("server closed the connection", "the server ended the connection: look in its log, then create another backup"),
    ("terminating connection", "the server ended the connection: look in its log, then create another backup"),
    ("invalid command \\restrict", "this psql cannot be kept from obeying a dump: use a runner image built since"),
    ("server version mismatch", "use the runner image of the server's version"),
)


def check(tool: Tool, code: int, failed: Reason, doing: str) -> None:
    """Raise unless the tool exited 0; `failed` is the reason of a plain failure, `doing` completes 'while …'."""
    if code == 0:
        return
    said = tool.said() or "it said nothing"
    if code < 0:
        name = signal.Signals(-code).name
        raise HoldfastError(
            failed if failed is Reason.RESTORE_FAILED else Reason.DUMP_KILLED,
            f"{tool.name} was killed by {name} while {doing}",
            "often the memory limit: look at the memory of Pod and node, raise job.resources, "
            "then create another backup",
        )
    if "No space left on device" in said:
        raise HoldfastError(
            Reason.DISK_FULL, f"{tool.name} while {doing}: {said}", "free or enlarge the scratch volume"
        )
    remedy = next((words for sign, words in _REMEDIES if sign in said), "the message above is the tool's own")
    raise HoldfastError(failed, f"{tool.name} exited {code} while {doing}: {said}", remedy)


def stalled(tool: str, seconds: float, why: str) -> HoldfastError:
    """Make the error of a dump that was silent for so long, and that nobody works for any more."""
    return HoldfastError(
        Reason.DUMP_STALLED,
        f"{tool} wrote nothing for {seconds:.0f} seconds, and {why}",
        "look at the server's log and at the network on the way to it, then create another backup; where several "
        "servers share this address, set connection.host to one of them: another knows nothing of the dump",
    )


class Feed:
    """Writes all of each chunk into a tool that may have read enough before the end."""

    def __init__(self, tool: Tool, failed: Reason, doing: str) -> None:
        """`failed` and `doing` are what `check` is given when the tool ends before its input."""
        self._tool = tool
        self._failed = failed
        self._doing = doing
        self._open = True

    def write(self, data: memoryview) -> None:
        """Write a chunk. Raises what the tool failed with; one that ended well needs no more."""
        try:
            while self._open and data:
                data = data[self._tool.stdin.write(data) :]
        except BrokenPipeError:
            self._open = False
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
