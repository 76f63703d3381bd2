"""What a process of ours sets of Python, seen in a process of its own: it is for good."""

import asyncio
import sys

import pytest

WORKER = """
import asyncio
from streams.worker import run
from agents.router.app import app

def tell(worker):
    loops = worker.loop, app.loop, asyncio.new_event_loop()
    print(*(type(loop).__module__ for loop in loops))

run.Worker.execute_from_commandline = tell
run.run(app)
"""
RECEIVER = """
import asyncio
from cli import receiver

async def tell(*_):
    print(type(asyncio.get_running_loop()).__module__)
    return True

receiver.run = tell
receiver.command.main(args=[])
"""


@pytest.mark.parametrize(
    ("program", "loops"),
    [(WORKER, ["uvloop"] * 3), (RECEIVER, ["uvloop"])],
    ids=["a worker and its consumer's thread", "the receiver"],
)
async def test_what_handles_messages_runs_on_uvloop(program: str, loops: list[str]) -> None:
    settings = {"RECEIVER_AUTHENTICATION": "none", "WORKER_LOG_LEVEL": "error"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, env=settings
    )
    said, _ = await process.communicate()
    assert said.decode().split() == loops
    assert process.returncode == 0
