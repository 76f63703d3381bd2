"""Logs: events, not payloads."""

import logging
import sys
from typing import Any

import structlog

from streams.settings import WorkerSettings

_NOISY = {
    # Say at INFO what our own lines and metrics say better.
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "aiokafka": logging.WARNING,
    "aiohttp.access": logging.WARNING,
    "kafka": logging.ERROR,
}


def set_up(settings: WorkerSettings, worker: str) -> None:
    """Sends all log lines to standard error, ours and the libraries', in one form."""

    def name_worker(_logger: Any, _method: str, line: dict[str, Any]) -> dict[str, Any]:
        # Not by a context variable: threads do not inherit them, and aiokafka's consumer has one.
        return {"worker": worker, **line}

    shared: list[Any] = [
        name_worker,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name, level in _NOISY.items():
        logging.getLogger(name).setLevel(max(level, root.level))
