"""The first lines of ours that run in a Job's container: signals are taken note of before the slow imports begin."""

import gc

from holdfast.runner import signals


def main() -> int:
    """Run the task; return the exit code."""
    signals.note()
    gc.disable()  # nothing that is imported becomes garbage: to look for some in it takes a sixth of the imports' time
    from holdfast.runner.main import main as work  # late: that is the point

    gc.freeze()
    gc.enable()
    return work()
