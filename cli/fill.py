"""`fill DESTINATION`: a backlog of user-updates as a few files, and not as millions of calls."""

import asyncio
import signal
from collections import Counter
from dataclasses import replace

import click

from agents import rights
from agents.sailthru.fill.error import FillError
from agents.sailthru.fill.job_file import Most
from agents.sailthru.fill.run import JOB_SECONDS, Plan, Sums, fill, require_addresses
from agents.sailthru.settings import SailthruSettings
from cli import outputs
from cli.kafka_command import ask
from streams import logs
from streams.base_settings import SettingsError
from streams.engine.startup import StartError
from streams.settings import KafkaSettings, WorkerSettings

_MAX = Most()
_some = click.IntRange(min=1)


@click.command("fill", short_help="Send a backlog of user-updates to Sailthru as bulk jobs.")
@click.argument("destination", type=click.Choice(["sailthru"]))
@click.option("--execute", is_flag=True, help="Send, and not only count what would be sent.")
@click.option(
    "--job-users", default=_MAX.users, show_default=True, type=_some, help="Most users in a job."
)
@click.option(
    "--job-bytes", default=_MAX.size, show_default=True, type=_some, help="Largest file of a job."
)
@click.option(
    "--job-minutes",
    default=JOB_SECONDS / 60,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="How long to wait for the end of a job.",
)
@click.option(
    "--after-job",
    metavar="JOB_ID",
    help="Wait first for the end of this job, that of a fill which was stopped.",
)
def command(
    destination: str,  # noqa: ARG001 - there is one
    execute: bool,
    job_users: int,
    job_bytes: int,
    job_minutes: float,
    after_job: str | None,
) -> None:
    """Sends what waits in user-update to Sailthru as update jobs, files of many users.

    Stop the workers of DESTINATION first. Reads from the offsets of their group to the end as of
    now, and commits them as jobs end, so that the workers go on after it. Only --execute sends.
    """
    plan = Plan(execute, Most(job_users, job_bytes), job_minutes * 60, after_job)

    try:
        settings, worker = SailthruSettings.load(), WorkerSettings.load()
        require_addresses(settings)
    except (SettingsError, FillError) as error:
        raise click.ClickException(str(error)) from None

    async def work(kafka: KafkaSettings) -> bool:
        logs.set_up(worker.model_copy(update={"log_level": "error"}), "fill")
        _stop_on_signals()
        try:
            _show(await fill(settings, kafka, worker, plan, outputs.say), plan)
        except (FillError, StartError) as error:
            raise click.ClickException(str(error)) from None
        except asyncio.CancelledError:
            raise click.ClickException(
                "Stopped, and no job of this fill is under way: what was committed is done. Run it "
                "again, or start the worker."
            ) from None
        return True

    needed = rights.of("fill")
    ask(work, "fill", needed if execute else replace(needed, writes=()))


def _stop_on_signals() -> None:
    """Has SIGINT and SIGTERM end the fill in order, so that it tells what goes on at Sailthru.

    Whoever insists changes nothing: they would not be told.
    """
    task = asyncio.current_task()
    assert task is not None

    def stop() -> None:
        if not task.cancelling():
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)


def _show(sums: Sums, plan: Plan) -> None:
    ends = sums.ends
    alone = ends.delivered_records - sums.by_job
    did = "Sent" if plan.execute else "Would send"
    outputs.say(
        f"{did} {sums.by_job} of {sums.read} records in {sums.jobs} jobs: {sums.users} users, "
        f"{sums.size} bytes; {alone} records in calls of their own."
    )
    for what, counted in (
        ("left out", ends.dropped_records),
        ("dead letters", ends.refused_records),
    ):
        if counted:
            outputs.say(f"{counted.total()} {what}: {_reasons(counted)}.")
    if plan.execute:
        outputs.say("Committed: start the workers, and they go on after it.")
    else:
        outputs.say("Nothing was sent or committed: --execute does it.")


def _reasons(counted: Counter[str]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in counted.most_common())
