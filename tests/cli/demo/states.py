"""The states that the simulated services hold when everything went as a ledger says."""

from typing import Any

from sandbox.mparticle import Ledger


def sailthru(ledger: Ledger) -> dict[str, Any]:
    profiles = [
        {
            "sid": f"sid-{number}",
            "keys": {"email": email},
            "vars": dict(profile.vars),
            "lists": dict.fromkeys(profile.lists, 1),
            "events": [
                {"event": name, "vars": {"mp_event_id": event_id}}
                for name, event_ids in profile.events.items()
                for event_id in event_ids
            ],
        }
        for number, (email, profile) in enumerate(ledger.profiles.items())
    ]
    lists = [{"list": name} for name in sorted(set(ledger.audiences.values()))]
    return {"profiles": profiles, "lists": lists}


def ab_tasty(ledger: Ledger) -> dict[str, Any]:
    return {"segments": {mpid: dict(segments) for mpid, segments in ledger.segments.items()}}
