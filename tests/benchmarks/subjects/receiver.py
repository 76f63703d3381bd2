"""The product's receiver, as the command runs it."""

from cli.receiver import command
from tests.benchmarks.meter import Meter
from tests.benchmarks.subjects import choose_loop


def main() -> None:
    choose_loop()
    Meter.of_this_process()
    command.main(args=[])


if __name__ == "__main__":
    main()
