"""Update jobs: a file of users goes up, and some time later Sailthru says what became of it.

Source: pages "job" and "job - Update" (docs.sailthru.com, getstarted.sailthru.com).
"""

import asyncio
from collections.abc import Callable
from typing import Any

from agents.sailthru.client import Client
from agents.sailthru.errors import SIGNATURE_REFUSED
from agents.sailthru.fill.error import FillError
from streams import clocks
from streams.http import NOT_SENT, json_object
from streams.outcomes import (
    Delivered,
    Misconfigured,
    Outcome,
    RetryRecord,
    Throttled,
    Transient,
    Unavailable,
)

# A wrong secret is one only after ten refusals in a row.
_TRIES = 12
_RETRY_SECONDS = 1.0
_POLL_SECONDS = (0.25, 0.5, 1.0, 2.0, 5.0, 15.0)


class Jobs:
    """One after the other: Sailthru promises no order between two."""

    def __init__(self, client: Client, wait_s: float, say: Callable[[str], None]) -> None:
        """`wait_s` is how long a job may take; `say` is told of each that was taken."""
        self.under_way: str | None = None
        """What to do about the job that is, or may be, under way at Sailthru. Ended early, whatever
        by, a fill has to tell: carried out late, a job puts old values over newer ones."""
        self._client = client
        self._wait_s = wait_s
        self._say = say

    async def update(self, file: bytes) -> None:
        """Returns when Sailthru has carried it out; raises FillError otherwise."""
        job_id = await self._post(file)
        self._say(f"job {job_id} was taken")
        await self.wait_until_ended(job_id)

    async def _post(self, file: bytes) -> str:
        for _ in range(_TRIES):
            self.under_way = _UNKNOWN
            answer = await self._client.upload("job", {"job": "update"}, file)
            if not _was_not_taken(answer.outcome):
                break
            assert isinstance(answer.outcome, Transient)
            self.under_way = None
            await asyncio.sleep(answer.outcome.after or _RETRY_SECONDS)
        match answer.outcome:
            case Delivered():
                if job_id := _said(answer.body).get("job_id"):
                    return str(job_id)
                raise FillError("Sailthru took a job and did not name it (no job_id).")
            case Misconfigured(what_to_do=what_to_do):
                self.under_way = None
                raise FillError(what_to_do)
            case outcome if isinstance(outcome, Transient) and not _was_not_taken(answer.outcome):
                raise FillError(f"Sailthru did not answer to a job ({outcome.reason}).")
        self.under_way = None
        raise FillError(
            f"Sailthru does not take the job ({_why(answer.outcome)}): try again later, with a "
            "smaller --job-users, or let the worker deliver."
        )

    async def wait_until_ended(self, job_id: str) -> None:
        """Waits for a job's end; raises FillError."""
        self.under_way = _UNDER_WAY.format(job_id=job_id)
        until = clocks.monotonic() + self._wait_s
        looks = 0
        while clocks.monotonic() < until:
            answer = await self._client.read("job", {"job_id": job_id})
            match answer.outcome:
                case Delivered():
                    status = _said(answer.body).get("status")
                    if status == "completed":
                        self.under_way = None
                        return
                    if status == "error":
                        self.under_way = None
                        raise FillError(
                            f"Sailthru ended job {job_id} with an error, and may have carried out "
                            "a part of it: ask its support why, and run this again; it begins with "
                            "the same users."
                        )
                case Misconfigured(what_to_do=what_to_do):
                    raise FillError(what_to_do)
                case RetryRecord() | Throttled() | Unavailable():
                    pass
                case _:
                    raise FillError(
                        f"Sailthru does not tell of job {job_id} ({_why(answer.outcome)}): look "
                        "there whether it has ended."
                    )
            await asyncio.sleep(_POLL_SECONDS[min(looks, len(_POLL_SECONDS) - 1)])
            looks += 1
        raise FillError(f"Job {job_id} has not ended in {self._wait_s:g} seconds.")


_UNKNOWN = (
    "Whether Sailthru took the job is not known: look there for a bulk update that is under way, "
    "and start neither the worker nor another fill before there is none."
)
_UNDER_WAY = (
    "Job {job_id} may be under way at Sailthru: start neither the worker nor another fill before "
    "it has ended; --after-job {job_id} waits for it."
)


def _was_not_taken(outcome: Outcome) -> bool:
    return isinstance(outcome, Transient) and (
        outcome in (*NOT_SENT, SIGNATURE_REFUSED) or outcome.reason == "rate_limited"
    )


def _why(outcome: Outcome) -> str:
    return getattr(outcome, "detail", "") or getattr(outcome, "reason", "")


def _said(body: bytes) -> dict[str, Any]:
    return json_object(body) or {}
