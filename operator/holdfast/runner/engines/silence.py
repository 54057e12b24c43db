"""What is done when a dump tool writes nothing: its server is asked what it does for it."""

from collections.abc import Callable
from typing import TypeVar

from holdfast.runner.pod.context import Context
from holdfast.runner.pod.stop import Stop

T = TypeVar("T")
Doing = Callable[[T, Stop, float], object]  # raises DumpStalled where the server does nothing for the dump


def asking(doing: Doing[T], target: T, context: Context) -> Callable[[float], None]:
    """Return what is to be called after so many seconds: it logs what the server does, or raises DumpStalled."""

    def ask(seconds: float) -> None:
        said = doing(target, context.stop, seconds)
        context.log.line("silent", seconds=round(seconds), server=said)

    return ask
