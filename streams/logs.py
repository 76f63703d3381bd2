"""Logs: events, not payloads."""

import logging
import re
import sys
import traceback
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import stamina
import structlog
from aiokafka.errors import KafkaError
from structlog.typing import EventDict

from streams import clocks
from streams.settings import WorkerSettings
from streams.terminal import escaped

# The keys that a line may have beside its event; a payload is not among them. `error` names a
# type, `detail` and `what_to_do` are ours, and topic, partition and offset are a raw position.
KEYS = frozenset(
    {
        *("reason", "detail", "what_to_do", "what", "name", "errors", "error", "state"),
        *("topic", "partition", "offset", "endpoint"),
        *("audience_id", "taken_by", "called"),
        *("read", "ended", "rejected", "waiting", "blocked"),
        *("raw", "raw_messages", "most"),
        *("partitions_kept", "partitions_read", "records_read"),
    }
)
_OWN = frozenset({"event", "level", "logger", "timestamp", "worker", "exc_info"})
_PREFIXED = "_"  # structlog's own

NOISY = {
    # Say at INFO what our own lines and metrics say better.
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "aiokafka": logging.WARNING,
    "aiohttp.access": logging.WARNING,
    "kafka": logging.ERROR,
    # Tell of each request to their cloud, and at DEBUG what they sign it with.
    "azure": logging.WARNING,
    "botocore": logging.WARNING,
    "google.auth": logging.WARNING,
    "msal": logging.WARNING,
    "urllib3": logging.WARNING,
}
# Their sentences name offsets and settings; any other's may quote what it was given.
_OURS = ("agents.", "streams.")
_NUMBER = re.compile(r"\d+")


class Seldom:
    """Lets a line through at most once a minute for each reason, however often there is one."""

    def __init__(
        self, seconds: float = 60.0, clock: Callable[[], float] = clocks.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._said: dict[Hashable, float] = {}

    def lets(self, reason: Hashable) -> bool:
        now = self._clock()
        if (said := self._said.get(reason)) is not None and now - said < self._seconds:
            return False
        self._said[reason] = now
        return True


class Repeats:
    """Lets a library's line through, and then it and its like ever less often, with their number.

    With the brokers away aiokafka writes some fifty lines a second, for as long as they are.
    """

    _FIRST_SECONDS = 60.0
    _MAX_SECONDS = 3600.0
    # There are few lines that differ by more than numbers.
    _MAX_KINDS = 500

    def __init__(self, clock: Callable[[], float] = clocks.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[Hashable, _Repeated] = {}

    def __len__(self) -> int:
        """The number of kinds of lines that are remembered."""
        return len(self._kinds)

    @property
    def held_back(self) -> int:
        """The number of lines that were held back and not yet told of."""
        return sum(each.held_back for each in self._kinds.values())

    def lets(self, record: logging.LogRecord) -> bool:
        """A filter of a handler; says in the line how many there were."""
        if record.name.startswith(_OURS):
            return True
        now = self._clock()
        # The text before arguments are put in: another node, port or offset is no other kind.
        kind = record.name, record.levelno, _NUMBER.sub("0", str(record.msg))
        repeated = self._kinds.get(kind)
        if repeated is None or now - repeated.last_at > repeated.pause:
            # The first, or of another time.
            self._make_room()
            self._kinds[kind] = _Repeated(now, now, self._FIRST_SECONDS)
            return True
        repeated.last_at = now
        if now - repeated.said_at < repeated.pause:
            repeated.held_back += 1
            return False
        if repeated.held_back:
            record.msg = f"{record.getMessage()} ({repeated.held_back} times more since)"
            record.args = ()
        repeated.said_at, repeated.held_back = now, 0
        repeated.pause = min(2 * repeated.pause, self._MAX_SECONDS)
        return True

    def _make_room(self) -> None:
        if len(self._kinds) >= self._MAX_KINDS:
            self._kinds.pop(next(iter(self._kinds)))


@dataclass(slots=True)
class _Repeated:
    said_at: float
    last_at: float
    pause: float
    held_back: int = 0


def set_up(settings: WorkerSettings, worker: str) -> None:
    """Sends all log lines to standard error, ours and the libraries', in one form."""

    def name_worker(_logger: Any, _method: str, line: EventDict) -> EventDict:
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
        processors=[
            *shared,
            only_known_keys,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_hush)
    handler.addFilter(Repeats().lets)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(_Traces()),
                *([] if settings.log_format == "json" else [without_controls]),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name, level in NOISY.items():
        logging.getLogger(name).setLevel(max(level, root.level))
    logging.captureWarnings(capture=True)
    sys.excepthook = _last_words
    stamina.instrumentation.set_on_retry_hooks([_retry_teller()])


def _retry_teller() -> stamina.instrumentation.RetryHook:
    """Tells what is tried again and why; stamina's own line shows with which arguments, too."""
    seldom = Seldom()

    def tell(details: stamina.instrumentation.RetryDetails) -> None:
        error = said(details.caused_by)
        if seldom.lets((details.name, error)):
            structlog.get_logger(__name__).warning("retried", what=details.name, error=error)

    return tell


def only_known_keys(_logger: Any, _method: str, line: EventDict) -> EventDict:
    """Leaves out what is not on the list of keys, and names it."""
    known = KEYS | _OWN
    unknown = sorted(key for key in line if key not in known and not key.startswith(_PREFIXED))
    kept = {key: value for key, value in line.items() if key not in unknown}
    return {**kept, "left_out": unknown} if unknown else kept


def without_controls(_logger: Any, _method: str, line: EventDict) -> EventDict:
    """JSON escapes them by itself; a stack has lines."""
    return {
        key: "\n".join(map(escaped, value.split("\n"))) if isinstance(value, str) else value
        for key, value in line.items()
    }


def said(error: BaseException) -> str:
    """The type of an exception, and its sentence where that cannot quote a payload."""
    kind = type(error)
    speaks = isinstance(error, OSError | KafkaError) or kind.__module__.startswith(_OURS)
    return f"{kind.__name__}: {error}" if speaks and str(error) else kind.__name__


def _hush(record: logging.LogRecord) -> bool:
    """The same for exceptions that libraries write into their lines."""
    if isinstance(record.msg, BaseException):
        record.msg = said(record.msg)
    if record.name == "asyncio":
        # Below the first line it shows tasks and what they raised.
        record.msg = str(record.msg).partition("\n")[0]
    if isinstance(record.args, tuple):
        record.args = tuple(
            said(each) if isinstance(each, BaseException) else each for each in record.args
        )
    return True


class _Traces:
    """Renders a stack: the lines of code, and each exception as far as it may speak."""

    def __call__(self, exc_info: Any) -> str:
        return "\n".join(_trace(exc_info[1]))


def _trace(error: BaseException, depth: int = 0) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and depth < 10:  # noqa: PLR2004 - a chain may be a ring
        yield from _trace(before, depth + 1)
        yield "which led to:"
    yield "Traceback (most recent call last):"
    yield from (line.rstrip() for line in traceback.format_tb(error.__traceback__))
    yield said(error)
    for each in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield "of which:"
        yield from _trace(each, depth + 1)


def _last_words(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    logging.getLogger(__name__).critical("uncaught_exception", exc_info=(kind, error, trace))
