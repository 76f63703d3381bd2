"""A stop has one deadline, whatever it waits for."""

import signal
import subprocess
import sys

HANGS = """
import asyncio

from streams.worker import run
from tests.streams.engine.unstarted import router_app

run._STOP_SECONDS = 0.0
app = router_app()
app.worker_settings = app.worker_settings.model_copy(update={"shutdown_timeout_s": 0.1})
made = run.Worker(app, quiet=True)


async def never():
    await asyncio.Event().wait()


async def main():
    made.stop = never
    made.install_signal_handlers()
    print("runs", flush=True)
    await never()


made.loop.run_until_complete(main())
"""


def test_a_stop_that_never_ends_is_ended_and_says_so() -> None:
    with subprocess.Popen(  # noqa: S603 - our own words, and no shell
        [sys.executable, "-c", HANGS], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            while process.stdout.readline() not in {"runs\n", ""}:
                pass
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
        finally:
            process.kill()
        said = process.stdout.read()

    assert code == 1
    assert "shutdown_overdue" in said
