"""OAuth client credentials and the tokens they buy."""

from collections.abc import Mapping

import orjson

from sandbox.ab_tasty import refusals
from sandbox.ab_tasty.options import Options
from sandbox.server import RefusedError


class Tokens:
    """Documented: pages "Public API" and the older "Public API Documentation" of AB Tasty."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._expiry: dict[str, float] = {}
        self.issued = 0

    def issue(self, body: bytes) -> dict[str, object]:
        self._check_client(_read_request(body))
        now = self._options.clock()
        self._expiry = {token: end for token, end in self._expiry.items() if end > now}
        self.issued += 1
        token = f"sandbox-token-{self.issued}"
        self._expiry[token] = now + self._options.token_lifetime
        return {
            "access_token": token,
            "expires_in": self._options.token_lifetime,
            "token_type": "bearer",
            "scope": "segments",
        }

    def check(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        expiry = self._expiry.get(token.strip())
        if scheme.lower() != "bearer" or expiry is None or expiry <= self._options.clock():
            raise RefusedError(refusals.INVALID_TOKEN, "The bearer token is missing or not valid")

    def _check_client(self, request: Mapping[str, object]) -> None:
        if request.get("grant_type") != "client_credentials":
            raise RefusedError(
                refusals.INVALID_TOKEN_REQUEST, "grant_type has to be client_credentials"
            )
        given = request.get("client_id"), request.get("client_secret")
        if given != (self._options.client_id, self._options.client_secret):
            raise RefusedError(refusals.INVALID_CLIENT, "Wrong client_id or client_secret")


def _read_request(body: bytes) -> Mapping[str, object]:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        request = None
    if not isinstance(request, dict):
        raise RefusedError(refusals.INVALID_TOKEN_REQUEST, "Send a JSON object")
    return request
