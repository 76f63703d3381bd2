"""The simulated Sailthru as one service: from a request to its answer, and all of its state."""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiohttp import web

from sandbox.faults import Fault
from sandbox.sailthru import refusals
from sandbox.sailthru.calls import Arguments, authenticate, parse_arguments, parse_parameters
from sandbox.sailthru.jobs import MULTIPART, JobEndpoint, parse_multipart
from sandbox.sailthru.limits import Limits
from sandbox.sailthru.lists import ListEndpoint, MailingLists
from sandbox.sailthru.options import Options
from sandbox.sailthru.profiles import Profiles
from sandbox.sailthru.purchases import PurchaseEndpoint
from sandbox.sailthru.users import UserEndpoints
from sandbox.server import RefusedError, Service, json_response

FORM = "application/x-www-form-urlencoded"


class Sailthru(Service):
    endpoints = frozenset(
        {
            "POST user",
            "GET user",
            "DELETE user",
            "POST event",
            "POST list",
            "GET list",
            "DELETE list",
            "GET settings",
            "POST job",
            "GET job",
            "POST purchase",
            "GET purchase",
        }
    )

    def __init__(self, options: Options | None = None, faults: Iterable[Fault] = ()) -> None:
        super().__init__(faults)
        self.options = options or Options()
        self.limits = Limits(self.options)
        self.forget()

    def forget(self) -> None:
        self.limits.forget()
        self._profiles = Profiles()
        self._lists = MailingLists(self.options)
        users = UserEndpoints(self._profiles, self._lists, self.options)
        lists = ListEndpoint(self._lists, self._profiles, self.options)
        jobs = JobEndpoint(users, self.options)
        purchases = PurchaseEndpoint(self._profiles, self.options)
        self._calls: dict[str, Callable[[Arguments], Awaitable[object]]] = {
            "POST user": users.post,
            "GET user": users.get,
            "DELETE user": users.delete,
            "POST event": users.post_event,
            "POST list": lists.post,
            "GET list": lists.get,
            "DELETE list": lists.delete,
            "GET settings": self._settings,
            "POST job": jobs.post,
            "GET job": jobs.get,
            "POST purchase": purchases.post,
            "GET purchase": purchases.get,
        }

    def state(self) -> dict[str, object]:
        """Profiles by their keys, lists by name, whatever the order they came in."""
        profiles = sorted(self._profiles, key=lambda each: (sorted(each.keys.items()), each.sid))
        lists = sorted(self._lists, key=lambda each: (each.name, each.list_id))
        return {
            "profiles": [each.state() for each in profiles],
            "lists": [each.state() for each in lists],
        }

    def ceilings(self) -> Mapping[str, int]:
        return {endpoint: self.options.ceiling(endpoint) for endpoint in self.endpoints}

    def endpoint(self, request: web.Request) -> str:
        name = f"{request.method} {request.path[1:]}"
        return name if name in self.endpoints else "unknown"

    def identity(self, request: web.Request, body: bytes) -> str:
        try:
            parameters, _ = _parameters(request, body)
            arguments = parse_arguments(parameters.get("json", "{}"))
        except RefusedError:
            return ""
        keys = arguments.get("keys")
        values = [
            arguments.get("id", arguments.get("email")),
            *(keys.values() if isinstance(keys, dict) else ()),
        ]
        return " ".join(str(value) for value in values)

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        endpoint = self.endpoint(request)
        headers = {}
        try:
            if endpoint == "unknown":
                raise self._no_endpoint(request)
            parameters, files = _parameters(request, body)
            text = authenticate(parameters, self.options)
            self.limits.spend(endpoint)
            result = await self._calls[endpoint]({**parse_arguments(text), **files})
            status = 200
        except RefusedError as refused:
            result = {"error": refused.refusal.code, "errormsg": refused.text}
            status = self.options.statuses.get(refused.refusal.name, refused.refusal.status)
        if endpoint != "unknown":
            headers = self.limits.headers(endpoint)
        return json_response(result, status, headers)

    def _no_endpoint(self, request: web.Request) -> RefusedError:
        name = request.path[1:]
        if any(endpoint.endswith(f" {name}") for endpoint in self.endpoints):
            return RefusedError(refusals.WRONG_METHOD, f"{name} does not take {request.method}")
        return RefusedError(refusals.UNKNOWN_ENDPOINT, f"The sandbox has no endpoint {name!r}")

    async def _settings(self, _: Arguments) -> dict[str, object]:
        """Documented: page "settings"; the names of the fields are inferred."""
        return {
            "account_id": 1,
            "domains": ["shop.example"],
            "from_emails": ["news@shop.example"],
            "primary_lists": [each.name for each in self._lists if each.primary],
            "timezone": "UTC",
        }


def _parameters(request: web.Request, body: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    """Documented, API Technical Details: a form for POST, else the query string; and files."""
    if request.method != "POST":
        return parse_parameters(request.rel_url.raw_query_string.encode()), {}
    if request.content_type == MULTIPART:
        return parse_multipart(request.headers["Content-Type"], body)
    return (parse_parameters(body) if request.content_type == FORM else {}), {}
