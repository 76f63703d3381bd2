"""Kafka's classes as Java has once loaded and linked them: half of a broker's start is just that.

Java's ahead-of-time cache (JEP 483 and 514): a run records what it loads, another one makes the
cache of it. Java itself leaves a cache alone that is of another Java or of other jars.
"""

import contextlib
import hashlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class AotCache:
    """Of these jars by this Java, beside the jars."""

    def __init__(self, jars: Path, java: Sequence[str], work: str = "") -> None:
        """`java` is the program with its options, `work` names what a run does that is recorded."""
        release = Path(java[0]).parent.parent / "release"
        of = "\n".join((release.read_text(encoding="utf-8"), str(jars), *java[1:], work))
        digest = hashlib.sha256(of.encode()).hexdigest()[:12]
        self._file = jars.with_name(f"{jars.name}-{digest}.aot")

    def options(self) -> Sequence[str]:
        """What a Java is to be given; nothing while there is no cache."""
        # What it has to say of a cache that it leaves alone is no part of a tool's output.
        quiet = "-Xlog:aot*=off,cds*=off"
        return (f"-XX:AOTCache={self._file}", quiet) if self._file.exists() else ()

    @contextmanager
    def making(self) -> Iterator["Making"]:
        """Leaves a cache if one was made, and nothing else."""
        parent = self._file.parent
        with tempfile.TemporaryDirectory(dir=parent, prefix="loading-") as scratch:
            making = Making(Path(scratch))
            yield making
            with contextlib.suppress(FileNotFoundError):  # a Java without such caches
                making.made.replace(self._file)


class Making:
    def __init__(self, scratch: Path) -> None:
        self._recorded = scratch / "recorded"
        self.made = scratch / "made"

    def recording(self) -> Sequence[str]:
        return "-XX:AOTMode=record", f"-XX:AOTConfiguration={self._recorded}"

    def creating(self) -> Sequence[str]:
        return (
            "-XX:AOTMode=create",
            f"-XX:AOTConfiguration={self._recorded}",
            f"-XX:AOTCache={self.made}",
        )

    def make(self, command: Sequence[str]) -> None:
        """Runs `creating`; without a cache all goes on as before, only slower."""
        if self._recorded.exists():
            subprocess.run(  # noqa: S603 - our own words, and no shell
                command, stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
