"""Reads a stored MySQL or MariaDB dump through, as it was when it was taken."""

from collections.abc import Iterator

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql.dumps import SEEN_TO_END, Seen
from holdfast.runner.engines.protocol import Contents
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress


class ScriptReading:
    """See engine.Reading."""

    schema_comparable = True

    def __init__(self, context: Context) -> None:
        self.contents: Contents | None = None
        self._stop = context.stop

    def read(self, stream: Iterator[bytes], progress: Progress) -> str:
        """See engine.Reading. Raises EndMarkMissing."""
        seen = Seen([])
        for chunk in stream:
            self._stop.check()
            seen.feed(memoryview(chunk))
            progress.uncompressed += len(chunk)
        if not seen.ended:
            raise HoldfastError(
                Reason.END_MARK_MISSING,
                "the stored script does not end in 'Dump completed'",
                "this artifact is not a whole dump: create another backup",
            )
        self.contents = seen.contents("the stored script")
        return SEEN_TO_END
