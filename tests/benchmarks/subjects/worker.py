"""One of the product's workers, as the command runs it."""

import sys
from importlib import import_module

from agents.router import processor, routing
from streams.delivery.admission import Admission
from streams.engine.consumer import Consumer
from streams.worker.run import run
from tests.benchmarks.meter import Meter
from tests.benchmarks.subjects import choose_loop


def main(name: str) -> None:
    choose_loop()
    meter = Meter.of_this_process()
    together = meter.marking_first("work", routing.route_together)
    processor.route_together = together  # type: ignore[attr-defined]  # imported there
    Admission.admit = meter.marking_first("admits", Admission.admit)  # type: ignore[method-assign]
    Consumer.take_over = meter.marking_first("assigned", Consumer.take_over)  # type: ignore[method-assign]
    run(import_module(f"agents.{name.replace('-', '_')}.app").app)


if __name__ == "__main__":
    main(sys.argv[1])
