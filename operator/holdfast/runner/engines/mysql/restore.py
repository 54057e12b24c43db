"""Feeds a dump into a MySQL or MariaDB database.

The client takes it as SQL alone: its own commands (a shell, another file, a local file's content) are off, so that
a dump can do no more than its user may on the server.
"""

from collections.abc import Iterator

from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.dumps import MAX_PACKET
from holdfast.runner.engines.mysql.errors import explained
from holdfast.runner.engines.mysql.only_target import Definitions, for_target
from holdfast.runner.engines.tool_errors import feed_tool
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress

COMMON = ("--batch", "--binary-mode", "--local-infile=0", MAX_PACKET)


def feed(
    stream: Iterator[bytes],
    target: Target,
    source: str,
    session: str,
    context: Context,
    progress: Progress,
    asleep: set[str] | None = None,
    defined: Definitions | None = None,
) -> None:
    """Restore the stream of a dump of the database `source`, with what its session sets.

    Each statement stands for itself: ended early, a part of it stays. `asleep` and `defined`: see only_target.py.
    """
    flavour = target.flavour
    command = [
        flavour.client,
        *target.arguments(),
        *COMMON,
        *flavour.restores,
        f"--init-command={session}",
        f"--database={target.database}",
    ]
    with explained():
        script = for_target(stream, source, target.database, asleep, defined)
        feed_tool(command, script, context.stop, progress)
