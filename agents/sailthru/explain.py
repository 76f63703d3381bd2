"""Requests as `explain` shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.sailthru.calls import Call, ListCall, PurchaseCall, UserCall


class Shown:
    """Shows calls with the address they would go to, and without credentials."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def call(self, call: Call) -> Mapping[str, Any]:
        shown = self._request("POST", call.endpoint, call.payload())
        left_out = call.left_out if isinstance(call, UserCall) else {}
        told = {"renamed": call.renames(), "left_out": left_out}
        return {**shown, **{what: names for what, names in told.items() if names}}

    def preparations(self, calls: Sequence[Call]) -> Sequence[Mapping[str, Any]]:
        """Each list that must be there is looked for and made, each purchase looked for."""
        bought = [call for call in calls if isinstance(call, PurchaseCall)]
        shown = [self._request("GET", call.endpoint, call.lookup()) for call in bought]
        made = [call.name for call in calls if isinstance(call, ListCall)]
        joined = [name for call in calls if isinstance(call, UserCall) for name in call.lists]
        for name in dict.fromkeys((*made, *joined)):
            call = ListCall(name)
            shown.append(self._request("GET", call.endpoint, call.lookup()))
            if name not in made:
                shown.append(self._request("POST", call.endpoint, call.payload()))
        return shown

    def _request(self, method: str, endpoint: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"method": method, "url": f"{self._base_url}/{endpoint}", "body": body}
