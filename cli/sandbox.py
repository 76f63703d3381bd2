"""`sandbox PART`: one part of the outside world, until it is stopped."""

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click
from pydantic import ValidationError

from cli import outputs
from sandbox import ab_tasty, sailthru
from sandbox.faults import load_faults
from sandbox.kafka import BrokerError, Kafka, fetch
from sandbox.mparticle import Message, as_development, duration_ms, generate, post
from sandbox.server import Service, serve_app
from streams.addresses import split_url

_port = click.option("--port", default=0, help="Port to listen on; 0 takes a free one.")
_host = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
_some = click.IntRange(min=1)
_faults = click.option(
    "--faults",
    type=click.File("rb"),
    help="A JSON list of faults to play, such as "
    '[{"action": "answer", "status": 503, "endpoint": "POST user", "count": 2}].',
)


@click.group("sandbox", short_help="Run one part of the outside world on this machine.")
def command() -> None:
    """Runs one part of the outside world on this machine, and prints its address."""


@command.command("kafka")
@_port
@click.option(
    "--directory", type=click.Path(path_type=Path), help="Keeps its data; without it, none is kept."
)
def kafka(port: int, directory: Path | None) -> None:
    """Runs Apache Kafka, fetched the first time (45 MB)."""
    try:
        fetch(lambda name: outputs.say(f"fetching {name}", err=True))
        _run(_kafka(directory, port))
    except BrokerError as error:
        raise click.ClickException(str(error)) from None


async def _kafka(directory: Path | None, port: int) -> None:
    async with Kafka(directory, port=port) as broker:
        outputs.say(broker.bootstrap)
        await asyncio.Event().wait()


@command.command("sailthru")
@_port
@_host
@click.option("--factor", default=1.0, show_default=True, help="Times the published ceilings.")
@_faults
def sailthru_(port: int, host: str, factor: float, faults: Any) -> None:
    """Runs a simulated Sailthru (key sandbox-key, secret sandbox-secret).

    GET /_sandbox/state shows what it holds, PUT /_sandbox/faults makes it fail.
    """
    _serve(sailthru.Sailthru(sailthru.Options(factor=factor)), port, host, faults)


@command.command("ab-tasty")
@_port
@_host
@_faults
def ab_tasty_(port: int, host: str, faults: Any) -> None:
    """Runs a simulated AB Tasty (client sandbox-client, secret sandbox-secret).

    GET /_sandbox/state shows what it holds, PUT /_sandbox/faults makes it fail.
    """
    _serve(ab_tasty.AbTasty(), port, host, faults)


@command.command("mparticle")
@click.option("--messages", default=1_000, show_default=True, type=_some, help="How many to write.")
@click.option(
    "--users", default=100, show_default=True, type=_some, help="How many people they are about."
)
@click.option("--seed", default=1, show_default=True, help="The same seed, the same messages.")
@click.option(
    "--ledger",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write what must be true at the destinations, as JSON.",
)
@click.option(
    "--environment",
    default="development",
    show_default=True,
    type=click.Choice(["development", "production"]),
    help="That of the messages: of development data destinations get nothing, unless their "
    "…_DEVELOPMENT_DATA says deliver.",
)
@click.option("--print", "print_", is_flag=True, help="One line each, in place of Kafka.")
@click.option(
    "--post",
    "url",
    callback=lambda _context, _option, url: _receiver(url),
    help="Post them to a receiver's URL, in place of Kafka.",
)
@click.option("--token", envvar="RECEIVER_TOKEN", help="What the receiver asks for.")
def mparticle(
    messages: int,
    users: int,
    seed: int,
    ledger: Path | None,
    environment: str,
    print_: bool,
    url: str | None,
    token: str | None,
) -> None:
    """Writes invented mParticle messages to mparticle-raw (KAFKA_… settings say where).

    Where real accounts are behind it, leave --environment as it is: nothing that is delivered can
    be taken back.
    """
    if ledger is not None and environment != "production":
        raise click.UsageError("A --ledger is of what is delivered: add --environment production.")
    start_ms = int(time.time() * 1000) - duration_ms(messages)
    traffic = generate(seed, users, messages, start_ms)
    written = traffic if environment == "production" else _of_developers(traffic, messages)
    if print_:
        for message in written:
            outputs.pass_on(message.value.replace(b"\n", b" "))
    elif url:
        _run(_post(url, written, token))
    else:
        _run(_publish(written))
    if ledger is not None:
        ledger.write_text(traffic.ledger.to_json())


def _of_developers(traffic: Iterable[Message], messages: int) -> Iterator[Message]:
    """Yields them as development data, and says in the end how many cannot be."""
    left_out = 0
    for message in traffic:
        if (marked := as_development(message)) is not None:
            yield marked
        else:
            left_out += 1
    if left_out:
        outputs.say(
            f"{left_out} of {messages} messages are left out, of audiences and privacy: mParticle "
            "names no environment in them. --environment production writes all.",
            err=True,
        )


def _receiver(url: str | None) -> str | None:
    """Refuses what is no URL, or holds a password: the URL is printed, and goes to no log so."""
    sentence = "use a URL such as http://127.0.0.1:8080/, without user and password"
    try:
        if url is not None and "@" in split_url(url, sentence).netloc:
            raise click.BadParameter(sentence)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return url


async def _post(url: str, traffic: Iterable[Message], token: str | None) -> None:
    posted = await post(url, traffic, token=token)
    outputs.say(f"{posted.accepted} messages posted to {url}, {posted.retried} tried again")
    if posted.unregistered:
        outputs.say(
            f"{posted.unregistered} registrations were answered 501: mParticle would have no "
            "module; set RECEIVER_REGISTRATION.",
            err=True,
        )
    if posted.lost:
        lost = ", ".join(f"{count} with {status}" for status, count in posted.lost.items())
        raise click.ClickException(f"Lost, as mParticle would have lost them: {lost}.")


async def _publish(traffic: Iterable[Message]) -> None:
    from agents import registry  # noqa: PLC0415 - not needed to print
    from cli.demo.publish import publish  # noqa: PLC0415 - as above
    from streams.base_settings import SettingsError  # noqa: PLC0415 - as above
    from streams.engine.startup import StartError, prepare  # noqa: PLC0415 - as above
    from streams.kafka.rights import Rights  # noqa: PLC0415 - as above
    from streams.settings import KafkaSettings  # noqa: PLC0415 - as above

    # aiokafka's own lines about a Kafka that is away are replaced by one sentence below.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        kafka = KafkaSettings.load()
        needed = Rights(writes=registry.all_topics())
        await prepare(kafka, kafka.group("sandbox"), (), needed=needed, component="sandbox")
    except (SettingsError, StartError) as error:
        raise click.ClickException(str(error)) from None
    count = await publish(kafka, traffic)
    outputs.say(f"{count} messages written to {kafka.bootstrap_servers}")


def _serve(service: Service, port: int, host: str, faults: BinaryIO | None) -> None:
    if faults is not None:
        try:
            service.set_faults(load_faults(faults.read()))
        except ValidationError as error:
            places = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise click.BadParameter("; ".join(places), param_hint="--faults") from None
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--faults") from None
    try:
        _run(serve_app(service.app(), port, host, outputs.say))
    except OSError as error:
        raise click.ClickException(f"{host}:{port} cannot be listened on: {error}") from None


def _run(part: Coroutine[Any, Any, None]) -> None:
    """Runs until it ends or is told to stop; ends without a trace in both cases."""

    async def until_told() -> None:
        task = asyncio.ensure_future(part)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()

    asyncio.run(until_told())
