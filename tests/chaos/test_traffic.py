"""The numbers in the traffic, and what its ledger says of them."""

from tests.chaos.plan import draw
from tests.chaos.traffic import TAG, tagged
from tests.sandbox.mparticle_reader import Reader, objects

NOW_MS = 1_790_000_000_000


def test_the_ledger_says_what_the_numbered_messages_say() -> None:
    traffic = tagged(draw(3, 2.0), NOW_MS)
    messages = list(traffic)
    reader = Reader(NOW_MS)
    for body in objects(dict.fromkeys(messages)):  # what comes again says nothing new
        reader.read(body)
    said = reader.profiles()
    ledger = traffic.ledger().profiles

    assert {email: profile.vars for email, profile in ledger.items()} == {
        email: said[email]["vars"] for email in ledger
    }
    assert sum(TAG in profile.vars for profile in ledger.values()) > len(ledger) / 4


def test_a_message_that_is_sent_again_keeps_its_number() -> None:
    messages = [each for each in tagged(draw(3, 2.0), NOW_MS) if each.key is not None]
    numbered = [each for each in messages if TAG.encode() in each.value]

    assert len(set(numbered)) < len(numbered)
    assert len({each.value for each in numbered}) == len(set(numbered))
