"""Which events pass the patterns of the settings."""

import re

import pytest

from agents.patterns import patterns
from agents.router import event_batch, firehose
from agents.router.schema_drift import told_kind
from agents.sailthru.event_filter import PRIVATE_KINDS, EventFilter
from models.event import BATCH_KINDS, KINDS
from streams.outcomes import Dropped
from tests.agents.sailthru.factories import event
from tests.repository import ROOT

DENIED, NOT_ALLOWED = Dropped("event_denied"), Dropped("event_not_allowed")
NOT_NAMED = Dropped("event_kind_not_named")


@pytest.mark.parametrize(
    ("allow", "deny", "reason"),
    [
        ("viewed_lookbook", "", None),
        ("*", "", None),
        ("viewed_*", "", None),
        ("viewed?lookbook", "", None),
        ("kind:custom_event", "", None),
        ("kind:custom_*", "", None),
        ("other,viewed_lookbook", "", None),
        ("viewed", "", NOT_ALLOWED),
        ("lookbook", "", NOT_ALLOWED),
        ("Viewed_lookbook", "", NOT_ALLOWED),
        ("custom_event", "", NOT_ALLOWED),
        ("kind:viewed_lookbook", "", NOT_ALLOWED),
        ("", "", NOT_ALLOWED),
        ("*", "viewed_lookbook", DENIED),
        ("*", "*", DENIED),
        ("*", "kind:*", DENIED),
        ("*", "kind:screen_view,other", None),
        ("viewed_lookbook", "kind:custom_event", DENIED),
        ("other", "viewed_lookbook", DENIED),
    ],
)
def test_event_passes_or_says_why_not(allow: str, deny: str, reason: Dropped | None) -> None:
    assert EventFilter(patterns(allow), patterns(deny)).reason_against(event()) == reason


@pytest.mark.parametrize("name", ["kind:screen_view", "name:kind:screen_view"])
def test_name_that_looks_like_a_kind_is_none(name: str) -> None:
    only_screens = EventFilter(["kind:screen_view"], [])
    assert only_screens.reason_against(event(name)) == NOT_ALLOWED


def test_name_with_a_line_break_is_matched_whole() -> None:
    assert EventFilter(["*"], ["viewed*"]).reason_against(event("viewed\nlookbook")) == DENIED
    assert EventFilter(["*"], ["viewed"]).reason_against(event("viewed\n")) is None


# sailthru/mparticle-outgoing-lambda, MParticleEventName.java.
OF_MAILS = """
EMAIL_SUBSCRIBE EMAIL_UNSUBSCRIBE EMAIL_CLICK EMAIL_OPEN EMAIL_BOUNCE EMAIL_COMPLAINT BLAST_SEND
TRIGGERED_SEND
"""


@pytest.mark.parametrize("name", OF_MAILS.split())
def test_the_setting_on_the_page_leaves_out_what_sailthru_reports_of_its_mails(name: str) -> None:
    page = (ROOT / "docs" / "sailthru.md").read_text()
    [deny] = re.findall(r"^SAILTHRU_EVENTS_DENY=(EMAIL.*)$", page, re.MULTILINE)
    assert EventFilter(["*"], patterns(deny)).reason_against(event(name)) == DENIED


@pytest.mark.parametrize("kind", sorted(PRIVATE_KINDS))
def test_private_kinds_pass_by_their_own_names_alone(kind: str) -> None:
    private = event(kind, kind=kind)
    for allow in ("*", "kind:*", kind, f"kind:{kind[:-1]}?", f"kind:{kind[:4]}*"):
        assert EventFilter(patterns(allow), []).reason_against(private) == NOT_NAMED, allow
    assert EventFilter([f"kind:{kind}"], []).reason_against(private) is None
    assert EventFilter([f"kind:{kind}"], ["kind:*"]).reason_against(private) == DENIED


@pytest.mark.parametrize(
    ("spelled", "kind"),
    [
        *((kind.title(), kind) for kind in sorted(PRIVATE_KINDS)),
        ("crash_report", "error"),
        ("push_registration", "push_subscription"),
        ("Push_Registration", "push_subscription"),
    ],
)
def test_a_private_kind_stays_private_however_a_message_spells_it(spelled: str, kind: str) -> None:
    """No model knows the type then, so that the record has the message's own word."""
    private = event(spelled, kind=spelled)
    assert EventFilter(["*"], []).reason_against(private) == NOT_NAMED
    assert EventFilter(["*", f"kind:{kind}"], [f"kind:{kind}"]).reason_against(private) == DENIED


@pytest.mark.parametrize(
    ("spelling", "kind"), [("crash_report", "error"), ("push_registration", "push_subscription")]
)
def test_a_kind_may_be_named_as_event_batches_spell_it(spelling: str, kind: str) -> None:
    told = event(kind, kind=kind)
    assert EventFilter([f"kind:{spelling}"], []).reason_against(told) is None
    assert EventFilter(["*"], [f"kind:{spelling}"]).reason_against(told) == DENIED


@pytest.mark.parametrize("spelled", ["Kind:Session_Start", "kind: session_start", "KIND:session_*"])
def test_a_kind_is_found_however_a_person_spells_it(spelled: str) -> None:
    told = event("session_start", kind="session_start")
    assert EventFilter([spelled], []).reason_against(told) is None
    assert EventFilter(["*"], [spelled]).reason_against(told) == DENIED


@pytest.mark.parametrize(
    "kind", ["product_action", "promotion_action", "impression", "commerce_event"]
)
def test_a_commerce_event_of_batches_is_each_kind_that_it_becomes(kind: str) -> None:
    told = event(kind, kind=kind)
    assert EventFilter(["kind:commerce_event"], []).reason_against(told) is None
    assert EventFilter(["*"], ["kind:commerce_*"]).reason_against(told) == DENIED


def test_every_kind_that_a_setting_may_name_is_one_that_records_have() -> None:
    """So that a typing error is refused, and nothing that is published is."""
    published = {**event_batch.EVENTS, **firehose.EVENTS}
    changes = {"user_attribute_change", "user_identity_change"}
    assert {BATCH_KINDS.get(name, name) for name in published.keys() - changes} <= KINDS
    assert {told_kind(kind) for kind in KINDS} == KINDS
    assert PRIVATE_KINDS <= KINDS
