"""Logs: one JSON object a line, or readable lines on a terminal; ours and the libraries' alike.

Lines of a reconcile carry the object's kind, namespace and name (the queue binds them). The operator reads no Secret,
so none can get here.
"""

import logging
import sys

import structlog

from holdfast import texts


def configure(level: str = "info") -> None:
    """Set up logging to standard error. kopf and the rest say only what is wrong."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # modules make their loggers before this runs
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers()],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("holdfast").setLevel(level.upper())


def _renderers() -> list[structlog.typing.Processor]:
    if sys.stderr.isatty():
        return [_seen, structlog.dev.ConsoleRenderer()]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _seen(_: object, __: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Make plain what others wrote: the renderer for terminals passes it on raw, while JSON escapes it."""
    return {key: texts.plain(value) if isinstance(value, str) else value for key, value in entry.items()}
