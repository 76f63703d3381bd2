"""The simulated AB Tasty as one service: from a request to its answer, and all of its state."""

from collections.abc import Iterable

from aiohttp import web

from sandbox.ab_tasty import refusals
from sandbox.ab_tasty.options import Options
from sandbox.ab_tasty.partner import Partner, read_message, read_profiles
from sandbox.ab_tasty.segments import Segments
from sandbox.ab_tasty.tokens import Tokens
from sandbox.ab_tasty.upload import JSON, read_rows, visitors
from sandbox.faults import Fault
from sandbox.server import RefusedError, Service, json_response

TOKEN_PATH = "/oauth/v2/token"  # noqa: S105 - an address, not a secret
SEGMENTS_PATH_PARTS = 5
"""/accounts/{account}/segments/{partner or visitor}, split at its slashes."""


class AbTasty(Service):
    """Both ways in at once: the Universal Data Connector, and mParticle's Firehose messages."""

    endpoints = frozenset({"POST token", "POST segments", "GET segments", "POST firehose"})

    def __init__(self, options: Options | None = None, faults: Iterable[Fault] = ()) -> None:
        super().__init__(faults)
        self.options = options or Options()
        self.forget()

    def forget(self) -> None:
        self._tokens = Tokens(self.options)
        self._segments = Segments(self.options)
        self._partner = Partner(self.options)

    def state(self) -> dict[str, object]:
        """Besides the segments: `files` and `rows` accepted, files `queued`, rows `ignored`."""
        return {
            "segments": self._segments.all(),
            "rows": self._segments.rows,
            "files": self._segments.files,
            "queued": self._segments.waiting(),
            "ignored": self._segments.ignored,
            "tokens": self._tokens.issued,
            "audiences": self._partner.audiences,
            "memberships": self._partner.memberships,
        }

    def control_routes(self) -> list[web.RouteDef]:
        return [web.put("/_sandbox/suspend", self._put_suspend)]

    async def _put_suspend(self, request: web.Request) -> web.Response:
        wanted = await request.read()
        if wanted not in (b"true", b"false"):
            return web.Response(status=400, text="Send true or false")
        self._partner.suspended = wanted == b"true"
        return web.Response(status=204)

    def endpoint(self, request: web.Request) -> str:
        if request.path == TOKEN_PATH:
            name = f"{request.method} token"
        elif request.path == self.options.firehose_path:
            name = f"{request.method} firehose"
        elif _segments_path(request):
            name = f"{request.method} segments"
        else:
            return "unknown"
        return name if name in self.endpoints else "unknown"

    def identity(self, request: web.Request, body: bytes) -> str:
        try:
            match self.endpoint(request):
                case "POST segments":
                    return " ".join(visitors(request.content_type, body))
                case "GET segments":
                    return _segments_path(request)[-1]
                case "POST firehose":
                    profiles = read_profiles(read_message(body))
                    return " ".join(str(profile.get("mpid")) for profile in profiles)
        except RefusedError:
            pass  # what cannot be read is about nobody
        return ""

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        try:
            match self.endpoint(request):
                case "POST token":
                    return self._post_token(request, body)
                case "POST segments":
                    return self._post_segments(request, body)
                case "GET segments":
                    return self._get_segments(request)
                case "POST firehose":
                    return json_response(self._partner.take(body))
            raise self._no_endpoint(request)
        except RefusedError as refused:
            refusal = refused.refusal
            status = self.options.statuses.get(refusal.name, refusal.status)
            return json_response({"error": refusal.code, "message": refused.text}, status)

    def _post_token(self, request: web.Request, body: bytes) -> web.Response:
        if request.content_type != JSON:
            raise RefusedError(refusals.WRONG_MEDIA_TYPE, f"Send {JSON}")
        return json_response(self._tokens.issue(body))

    def _post_segments(self, request: web.Request, body: bytes) -> web.Response:
        """Answers 202 for queued, not applied: reported, as Options.apply_delay is."""
        partner = self._authorized(request)
        if partner != self.options.partner:
            raise RefusedError(refusals.WRONG_PARTNER, f"No partner {partner!r} in this account")
        self._segments.accept(read_rows(request.content_type, body, self.options))
        return json_response({"status": "queued"}, 202)

    def _get_segments(self, request: web.Request) -> web.Response:
        """Reported: elevate-agency-data/n8n-nodes-abtasty, nodes/AbTasty/AbTasty.node.ts."""
        return json_response(self._segments.of(self._authorized(request)))

    def _authorized(self, request: web.Request) -> str:
        """The last part of the path, once token and account are right."""
        self._tokens.check(request.headers.get("Authorization", ""))
        account, last = _segments_path(request)
        if account != self.options.account:
            raise RefusedError(refusals.WRONG_ACCOUNT, f"No account {account!r}")
        return last

    def _no_endpoint(self, request: web.Request) -> RefusedError:
        if request.path in (TOKEN_PATH, self.options.firehose_path) or _segments_path(request):
            return RefusedError(refusals.WRONG_METHOD, f"{request.method} is not taken here")
        return RefusedError(refusals.UNKNOWN_ENDPOINT, f"Nothing is at {request.path}")


def _segments_path(request: web.Request) -> tuple[str, ...]:
    """Account and partner or visitor, or nothing for another path."""
    parts = request.path.split("/")
    if len(parts) == SEGMENTS_PATH_PARTS and parts[1] == "accounts" and parts[3] == "segments":
        return parts[2], parts[4]
    return ()
