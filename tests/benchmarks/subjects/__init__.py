"""What is measured: each module is one process, the product's worker or a rival of it."""

import os

from streams import runtime

LOOP = "BENCHMARK_LOOP"
"""Whose event loop a process of the product's has: uvloop, as it comes, or asyncio."""


def choose_loop() -> None:
    if os.environ.get(LOOP) == "asyncio":
        runtime.use_fast_loop = lambda: None
