"""Membership messages about users who appear in one message only.

A message about many users, or one without an mpid, is not keyed by one user, and so its place in
the order of a user's other messages is open.
"""

import hashlib
from random import Random

from sandbox.mparticle.catalogue import CROWD_AUDIENCES, LEGACY_AUDIENCES, Audience
from sandbox.mparticle.firehose import identity, membership, request, segments
from sandbox.mparticle.ledger import Ledger, Told
from sandbox.mparticle.wire import Body, Message, chance, int64, message, number_or_text


def crowd(rng: Random, ledger: Ledger, number: int, time_ms: int) -> Message:
    """A first fill: many users join; half of them have no e-mail, or a hashed one."""
    profiles = []
    for place in range(rng.randint(3, 12)):
        mpid, email = int64(rng), f"crowd{number}.{place}@shop.example"
        reachable, hashed = chance(rng, 0.5), chance(rng, 0.5)
        joined = rng.sample(CROWD_AUDIENCES, rng.randint(1, 2))
        if reachable:
            known = [identity("email", email)]
        else:
            digest = identity("email", hashlib.md5(email.encode()).hexdigest(), "md5")
            known = [digest] if hashed else []
        profile: Body = {
            "mpid": number_or_text(rng, mpid),
            "user_identities": known,
            "audiences": [membership(audience, joined=True) for audience in joined],
        }
        profiles.append(profile)
        moves = dict.fromkeys(joined, True)
        ledger.segments[str(mpid)] = segments(moves)
        lists = {audience.name: move for audience, move in moves.items()}
        ledger.note(email if reachable else None, Told(lists=lists))
    body = request(rng, "audience_membership_change_request", time_ms)
    return message(body | {"user_profiles": profiles})


def legacy_membership(rng: Random, ledger: Ledger, number: int, time_ms: int) -> Message:
    """The shape of Firehose SDK 1.x: no mpid, no version, joined and left apart."""
    profiles = []
    for place in range(rng.randint(1, 3)):
        email = f"legacy{number}.{place}@shop.example"
        touched = rng.sample(LEGACY_AUDIENCES, rng.randint(1, len(LEGACY_AUDIENCES)))
        joined, left = touched[: (len(touched) + 1) // 2], touched[(len(touched) + 1) // 2 :]
        profile: Body = {
            "user_identities": [
                identity("customer", f"L-{number}.{place}"),
                identity("email", email),
            ],
            "added_audiences": [_named(audience) for audience in joined],
        }
        if left:
            profile["removed_audiences"] = [_named(audience) for audience in left]
        profiles.append(profile)
        lists = {audience.name: audience in joined for audience in touched}
        ledger.note(email, Told(lists=lists, customer_id=f"L-{number}.{place}"))
        ledger.counts.ab_tasty_no_identity += len(touched)
    body = request(rng, "audience_membership_change_request", time_ms)
    del body["firehose_version"]
    return message(body | {"user_profiles": profiles})


def _named(audience: Audience) -> Body:
    return {"audience_id": audience.id, "audience_name": audience.name}
