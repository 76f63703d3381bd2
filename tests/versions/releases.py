"""The Kafkas that are tried: the last of some minor versions, from the oldest that we know of."""

import tempfile
from pathlib import Path

from sandbox.kafka import OURS, Release, digests, download

_SUMS = Path(__file__).parent / "sums"
VERSIONS = ("2.8.2", "3.0.2", "3.3.2", "3.6.2", "3.9.1", "4.0.1", OURS.version, "4.4.0")


def release(version: str) -> Release:
    return OURS if version == OURS.version else Release(version, _SUMS)


def record(version: str) -> None:
    """Writes down the sums of a version that is new here, as they come from Maven Central now."""
    with tempfile.TemporaryDirectory() as scratch:
        jars = download(Path(scratch), lambda _name: None, version)
        lines = [f"{digest}  {name}\n" for name, digest in sorted(digests(jars).items())]
    (_SUMS / f"{release(version).name}.sha512").write_text("".join(lines), encoding="ascii")
