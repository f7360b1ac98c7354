"""Logs: JSON, one line a record, with request and correlation ids; never a body or a secret.

Ledger code logs through the standard library; everything ends in the same line format.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

import orjson
import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor


def configure_logging(level: str = "INFO") -> None:
    """Send every log record of the process to standard error as one JSON line."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _trace_without_texts,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_dumps_text),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "alembic", "psycopg.pool", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _dumps(event: Any, **_: Any) -> bytes:  # noqa: ANN401 - a log event holds anything
    return orjson.dumps(event, default=str)


def _dumps_text(event: Any, **_: Any) -> str:  # noqa: ANN401 - a log event holds anything
    return _dumps(event).decode()


def _trace_without_texts(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Say where an exception was raised, and of what kind; its text may quote what was sent."""
    given = event.pop("exc_info", None)
    if given:
        error = given[1] if isinstance(given, tuple) else given
        error = error if isinstance(error, BaseException) else sys.exception()
        if error is not None:
            event["exception"] = _trace(error)
    return event


def _trace(error: BaseException) -> str:
    """Frames and kinds: of what it was raised from, of a group's members, and its own."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    parts = [] if cause is None else [_trace(cause), "which led to"]
    if isinstance(error, BaseExceptionGroup):
        parts.extend(_trace(member) for member in error.exceptions)
    frames = "".join(traceback.format_tb(error.__traceback__))
    return "\n".join([*parts, f"{frames}{type(error).__qualname__}"])
