"""Reads a stored MySQL or MariaDB dump through, as it was when it was taken."""

from collections.abc import Iterator

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.context import Context
from holdfast.runner.engine import Contents
from holdfast.runner.mysql.dumps import SEEN_TO_END
from holdfast.runner.mysql.end_mark import EndMark
from holdfast.runner.progress import Progress


class ScriptReading:
    """See engine.Reading."""

    contents: Contents | None = None  # rows are not counted
    schema_comparable = True

    def __init__(self, context: Context) -> None:
        self._stop = context.stop

    def read(self, stream: Iterator[bytes], progress: Progress) -> str:
        """See engine.Reading. Raises EndMarkMissing."""
        mark = EndMark()
        for chunk in stream:
            self._stop.check()
            mark.feed(memoryview(chunk))
            progress.uncompressed += len(chunk)
        if not mark.seen:
            raise HoldfastError(
                Reason.END_MARK_MISSING,
                "the stored script does not end in 'Dump completed'",
                "this artifact is not a whole dump: create another backup",
            )
        return SEEN_TO_END
