"""Runs a worker: what Faust's own worker does, after the checks that may refuse to start."""

import gc
import sys
from typing import Any, NoReturn

import faust

from streams import logs
from streams.engine.start import StartError, prepare
from streams.engine.transport import Transport

# Python looks for garbage every 700 new objects, and after about 70,000 among all there are. Here
# a record makes a dozen, tens of thousands are under way, and none of it is garbage: to search
# so much so often was a third of an AB Tasty worker's time, and a fifth still at 20,000. Garbage of
# so many objects is some 20 MB.
_NEW_OBJECTS = 200_000


class Worker(faust.Worker):
    """Checks Kafka and the first-start rule before it joins the group."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "redirect_stdouts": False})
        # A progress spinner is of no use in a container's log.
        self.spinner = None

    def _setup_logging(self) -> None:
        """Nothing: set up once, before the checks."""

    def execute_from_commandline(self) -> NoReturn:
        app: Any = self.app
        logs.set_up(app.worker_settings, app.worker_name)
        transport: Transport = app.transport
        try:
            transport.cluster = self.loop.run_until_complete(
                prepare(transport.kafka, app.conf.id, app.reads)
            )
        except StartError as error:
            sys.exit(f"{app.worker_name} does not start. {error}")
        gc.freeze()  # what was imported stays
        gc.set_threshold(_NEW_OBJECTS)
        super().execute_from_commandline()


def run(app: faust.App) -> NoReturn:
    """Runs a worker until it is told to stop or cannot go on; exits with its code."""
    app.finalize()
    Worker(app, quiet=True).execute_from_commandline()
