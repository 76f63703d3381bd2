"""`python -m tests.versions`: which Kafkas it runs on, as docs/kafka-versions.md says it.

Without versions all are tried; with some, only their rows change. `--record` writes down the sums
of a version that was not tried before.
"""

import argparse
import asyncio
import sys
from datetime import UTC, datetime

from tests.versions.releases import VERSIONS, record, release
from tests.versions.table import DOCUMENT, read, written
from tests.versions.tried import tried


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.versions", description=__doc__)
    parser.add_argument("versions", nargs="*", metavar="VERSION")
    parser.add_argument("--record", action="store_true", help="write down what its jars must be")
    wanted = parser.parse_args()
    if wanted.record:
        for version in wanted.versions:
            record(version)
        return 0
    rows = read()
    for version in wanted.versions or VERSIONS:
        found = asyncio.run(tried(release(version)))
        rows[version] = (*found, f"{datetime.now(UTC):%Y-%m-%d}")
        DOCUMENT.write_text(written(rows), encoding="utf-8")
        print(version, *rows[version], sep=" | ", flush=True)  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(main())
