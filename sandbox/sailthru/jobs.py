"""The endpoint `job`: update jobs, which change many profiles some time after they were taken."""

import asyncio
from dataclasses import dataclass
from email.parser import BytesParser
from itertools import count

from sandbox.sailthru import refusals
from sandbox.sailthru.calls import Arguments, invalid, parse_arguments, required_text
from sandbox.sailthru.lists import api_time
from sandbox.sailthru.options import Options
from sandbox.sailthru.users import UserEndpoints
from sandbox.server import RefusedError

MULTIPART = "multipart/form-data"
_SOURCES = ("file", "url", "emails", "query")
_YIELD_EVERY = 100


def parse_multipart(content_type: str, body: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    """The fields of a form and its files, by their names.

    Observed in sailthru/sailthru-java-client SailthruHttpClient.java: the parameters of any call
    as parts of their own, and beside them a part `file`, which the signature leaves out.
    """
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    parameters, files = {}, {}
    for part in BytesParser().parsebytes(head + body).walk():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            continue
        if part.get_filename() is not None:
            files[name] = content
            continue
        try:
            parameters[name] = content.decode()
        except UnicodeDecodeError as error:
            raise RefusedError(refusals.INVALID_UTF8, "Invalid UTF-8 in the parameters") from error
    return parameters, files


@dataclass(slots=True)
class Job:
    job_id: str
    posted: int
    status: str = "pending"
    ended: int | None = None

    def shown(self) -> dict[str, object]:
        """Observed: name and status in sailthru/sailthru-ruby-client test/fixtures."""
        return {"job_id": self.job_id, "name": "Bulk Update", "status": self.status}


class JobEndpoint:
    """Documented: pages "job" and "job - Update" (docs.sailthru.com, getstarted.sailthru.com)."""

    def __init__(self, users: UserEndpoints, options: Options) -> None:
        self._users = users
        self._options = options
        self._jobs: dict[str, Job] = {}
        self._ids = count(1)
        self._under_way: set[asyncio.Task[None]] = set()

    async def post(self, arguments: Arguments) -> dict[str, object]:
        """Takes a job. Documented: exactly one of file, url, emails and query says for whom."""
        if (kind := required_text(arguments, "job")) != "update":
            raise RefusedError(refusals.JOB_NOT_SIMULATED, f"The sandbox has no job {kind!r}")
        if [name for name in _SOURCES if name in arguments] != ["file"]:
            raise invalid("file", "one uploaded file, and no url, emails or query,")
        file = arguments["file"]
        if not isinstance(file, bytes):
            raise invalid("file", "an uploaded file")
        lines = file.splitlines()
        if len(lines) > self._options.job_lines or len(file) > self._options.job_bytes:
            raise RefusedError(refusals.JOB_TOO_LARGE, "The file has too many lines or bytes")
        job = Job(f"{next(self._ids):024x}", int(self._options.clock()))
        self._jobs[job.job_id] = job
        task = asyncio.create_task(self._run(job, lines))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return job.shown()

    async def get(self, arguments: Arguments) -> dict[str, object]:
        if (job := self._jobs.get(required_text(arguments, "job_id"))) is None:
            raise RefusedError(refusals.UNKNOWN_JOB, "Unknown job")
        end = {} if job.ended is None else {"end_time": api_time(job.ended)}
        return {**job.shown(), "start_time": api_time(job.posted), **end}

    async def _run(self, job: Job, lines: list[bytes]) -> None:
        await self._options.sleep(self._options.job_seconds)
        status = "completed"
        for number, line in enumerate(lines, 1):
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
            try:
                await self._change(line)
            except RefusedError:
                if self._options.bad_job_line == "fail":
                    status = "error"
                    break
        job.status, job.ended = status, int(self._options.clock())

    async def _change(self, line: bytes) -> None:
        """A line is shaped like the arguments of `user`: industrydive/dive_sailthru_client.

        Documented: missing profiles are made by e-mail; inferred: by no other key.
        """
        try:
            arguments = parse_arguments(line.decode())
        except UnicodeDecodeError as error:
            raise RefusedError(refusals.INVALID_UTF8, "Invalid UTF-8 in a line") from error
        if "keys" in arguments or "keysconflict" in arguments:
            raise RefusedError(refusals.JOB_LINE_KEYS, "A line sets no keys")
        if arguments.get("key", "email") != "email":
            await self._users.get({**arguments, "fields": {}})
        await self._users.post({**arguments, "fields": {}})
