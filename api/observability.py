"""Logs: JSON, one line a record, with request and correlation ids; never a body or a secret.

Ledger code logs through the standard library; everything ends in the same line format.
"""

from __future__ import annotations

import logging
import sys
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
        structlog.processors.format_exc_info,
        _without_values,
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
    for noisy in ("httpx", "httpcore", "alembic", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _dumps(event: Any, **_: Any) -> bytes:  # noqa: ANN401 - a log event holds anything
    return orjson.dumps(event, default=str)


def _dumps_text(event: Any, **_: Any) -> str:  # noqa: ANN401 - a log event holds anything
    return _dumps(event).decode()


def _without_values(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Cut a traceback's last line to the exception's name: its text may quote what was sent."""
    trace = event.get("exception")
    if isinstance(trace, str):
        lines = trace.rstrip().split("\n")
        places = (" ", "Traceback")
        kept = [line for line in lines if line.startswith(places)]
        named = [line.partition(":")[0] for line in lines if not line.startswith(places)]
        event["exception"] = "\n".join([*kept, *named[-1:]])
    return event
