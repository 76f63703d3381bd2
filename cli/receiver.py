"""`receiver`: takes mParticle's posts until it is stopped."""

import asyncio
import sys

import click

from agents.receiver.server import run
from agents.receiver.settings import ReceiverSettings
from streams import logs, runtime, unknown_settings
from streams.base_settings import SettingsError
from streams.engine.startup import StartError
from streams.kafka.clients import UnansweredError
from streams.settings import KafkaSettings, WorkerSettings


@click.command("receiver", short_help="Take mParticle's HTTPS posts, and write them to Kafka.")
def command() -> None:
    """Takes mParticle's posts, and answers each when Kafka has its message.

    TLS ends in front of it. Beside that it serves /metrics, /live and /ready. Settings come from
    the environment: see `mparticle-streams settings`.
    """
    try:
        settings, kafka = ReceiverSettings.load(), KafkaSettings.load()
        worker = WorkerSettings.load_beside(kafka)
        logs.set_up(worker, "receiver")
        unknown_settings.tell()
        runtime.use_fast_loop()
        runtime.collect_seldom()
        ended_well = asyncio.run(run(settings, kafka, worker))
    except SettingsError as error:
        sys.exit(f"Settings are not right: {error}")
    except (StartError, UnansweredError) as error:
        sys.exit(f"receiver does not start. {error}")
    sys.exit(0 if ended_well else 1)
