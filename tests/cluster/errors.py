"""The one exception this package shows to people: what happened, why, and what to do, in one sentence or two."""


class ClusterError(Exception):
    """Ends the command with exit code 1 and its text, without a traceback."""
