"""Runs a worker: what Faust's own worker does, after the checks that may refuse to start."""

import os
import sys
import threading
from signal import Signals
from typing import Any, NoReturn

import faust
import structlog

from streams import logs, runtime, unknown_settings
from streams.engine.consumer import Transport
from streams.engine.startup import StartError, prepare

# After requests in flight have had their time: the last commit, leaving the group, connections.
_STOP_SECONDS = 10.0

log = structlog.get_logger()


class Worker(faust.Worker):
    """Checks Kafka and the first-start rule before it joins the group."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "redirect_stdouts": False})
        self._overdue: threading.Timer | None = None
        # A progress spinner is of no use in a container's log.
        self.spinner = None

    def _setup_logging(self) -> None:
        """Does nothing: logging is set up once, before the checks."""

    def _schedule_shutdown(self, signal: Signals) -> None:
        self._end_in_time()
        super()._schedule_shutdown(signal)

    async def crash(self, reason: BaseException) -> None:
        self._end_in_time()
        await super().crash(reason)

    def _end_in_time(self) -> None:
        """Whatever a stop waits for: it has one deadline, and then it is over.

        Nothing is lost by it. What has ended and was not committed is repeated.
        """
        if self._overdue is None:
            app: Any = self.app
            seconds = app.worker_settings.shutdown_timeout_s + _STOP_SECONDS
            self._overdue = threading.Timer(seconds, _end_at_once, (seconds,))
            self._overdue.daemon = True
            self._overdue.start()

    def execute_from_commandline(self) -> NoReturn:
        app: Any = self.app
        logs.set_up(app.worker_settings, app.worker_name)
        unknown_settings.tell()
        transport: Transport = app.transport
        try:
            transport.cluster = self.loop.run_until_complete(
                prepare(
                    transport.kafka,
                    app.conf.id,
                    app.reads,
                    needed=app.needs,
                    component=app.worker_name,
                )
            )
        except StartError as error:
            sys.exit(f"{app.worker_name} does not start. {error}")
        runtime.collect_seldom()
        super().execute_from_commandline()


def _end_at_once(seconds: float) -> NoReturn:
    log.error("shutdown_overdue", detail=f"the stop has not ended within {seconds:.0f} s")
    os._exit(1)


def run(app: faust.App) -> NoReturn:
    """Runs a worker until it is told to stop or cannot go on; exits with its code."""
    runtime.use_fast_loop()
    app.finalize()
    Worker(app, quiet=True).execute_from_commandline()
