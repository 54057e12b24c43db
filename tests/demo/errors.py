"""The one exception that the demo shows to people."""


class DemoError(Exception):
    """What happened, why, and what to do; ends the demo without a traceback."""
