"""What Java has loaded once is kept for the next, and whatever comes between leaves nothing."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from sandbox.aot_cache import AotCache
from sandbox.kafka import command_line, prepare

JAVA = """#!/bin/sh
for option; do case $option in
    -XX:AOTConfiguration=*) recorded=${option#*=} ;;
    -XX:AOTCache=*) cache=${option#*=} ;;
esac; done
case $1 in
    -XX:AOTMode=record) echo classes > "$recorded" ;;
    -XX:AOTMode=create) cp "$recorded" "$cache" ;;
esac
"""


@pytest.fixture
def java(tmp_path: Path) -> Path:
    program = tmp_path / "java" / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(JAVA)
    program.chmod(0o755)
    (tmp_path / "java" / "release").write_text('JAVA_RUNTIME_VERSION="25"')
    return program


@pytest.fixture
def jars(tmp_path: Path) -> Path:
    made = tmp_path / "cache" / "kafka-1"
    made.mkdir(parents=True)
    return made


def run(*command: object) -> "subprocess.CompletedProcess[str]":
    words = list(map(str, command))
    return subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own words, and no shell


def make(cache: AotCache, java: Path) -> None:
    with cache.making() as making:
        run(java, *making.recording())
        making.make([str(java), *making.creating()])


def test_what_was_made_is_given_to_every_java_of_the_same_kind(java: Path, jars: Path) -> None:
    cache = AotCache(jars, [str(java), "-Xmx1m"])
    assert cache.options() == ()
    make(cache, java)

    [made] = jars.parent.glob("*.aot")
    assert f"-XX:AOTCache={made}" in cache.options()
    assert AotCache(jars, [str(java), "-Xmx1m"]).options() == cache.options()
    assert AotCache(jars, [str(java), "-Xmx2m"]).options() == ()
    assert AotCache(jars, [str(java), "-Xmx1m"], "other work").options() == ()
    (java.parent.parent / "release").write_text('JAVA_RUNTIME_VERSION="26"')
    assert AotCache(jars, [str(java), "-Xmx1m"]).options() == ()
    assert set(jars.parent.iterdir()) == {jars, made}


@pytest.mark.parametrize("mode", ["record", "create"])
def test_a_java_that_makes_none_leaves_nothing_and_is_no_error(
    java: Path, jars: Path, mode: str
) -> None:
    java.write_text(JAVA.replace(f"-XX:AOTMode={mode})", "-XX:AOTMode=never)"))
    cache = AotCache(jars, [str(java)])
    make(cache, java)

    assert cache.options() == ()
    assert list(jars.parent.iterdir()) == [jars]


def test_who_is_interrupted_leaves_nothing(java: Path, jars: Path) -> None:
    cache = AotCache(jars, [str(java)])

    def interrupted() -> None:
        with cache.making() as making:
            run(java, *making.recording())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(jars.parent.iterdir()) == [jars]


@pytest.mark.kafka
async def test_java_itself_takes_what_was_made_of_kafka() -> None:
    await prepare()
    java, *options = command_line("kafka.Kafka")
    assert any(option.startswith("-XX:AOTCache=") for option in options)
    # With `on` instead of `auto` it ends when it cannot.
    done = await asyncio.to_thread(run, java, "-XX:AOTMode=on", *options, "--version")
    assert (done.returncode, "4." in done.stdout) == (0, True), done.stdout + done.stderr
