"""Reads a stored MySQL or MariaDB dump through, as it was when it was taken."""

from holdfast.runner.engines.mysql.dumps import seen
from holdfast.runner.engines.protocol import Reading
from holdfast.runner.engines.script_seen import ScriptReading
from holdfast.runner.pod.context import Context


def reading(context: Context) -> Reading:
    """Return what reads a plain script, which is all that there is."""
    return ScriptReading(context, seen)
