"""The names of all fields that mParticle has published, also of those that no record needs.

What is not here is new: mParticle has changed. Maps whose names are a customer's own (attributes,
flags, settings) are not looked into. Firehose Java SDK 3.2 and its older shapes; mParticle docs,
"JSON Reference", and `static/schema` with its samples.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, get_args

from pydantic import AliasChoices, AliasPath, BaseModel

from models.mparticle.base_event import LEFT_OUT, Flagged, Happened
from models.mparticle.changes import AttributeChange, IdentitiesChange
from models.mparticle.commerce import CommerceEvent
from models.mparticle.consent import Consent, ConsentNotification
from models.mparticle.event_batch import EventBatch, SourceInfo
from models.mparticle.firehose import (
    Account,
    EventRequest,
    MembershipRequest,
    ProfileAudience,
    RuntimeEnvironment,
    SharedAttribute,
    SubjectRequest,
    SubscriptionRequest,
    UserProfile,
)
from models.mparticle.identity import DEVICE_FIELDS, VALUE_NAMES

_Look: TypeAlias = tuple[Sequence[str], Sequence[tuple[str, "Fields"]]]
_MOST_LOOKS = 1_000


class Fields:
    """An object's known fields, and what is known of the objects inside it.

    `names` are one text, with spaces between. `stands` says how the object stands where it is: as
    an `object` or a list of them, in a `list` only, or as the `values` of a map. `by` names the
    field that tells which of `kinds` it is; of a kind that is None nothing is known. An object that
    has none of the fields that it `needs` says what it has to say in one that is not known.
    """

    __slots__ = (
        *("_looks", "by", "inside", "is_object", "kinds", "names", "needs", "plain", "stands"),
    )

    def __init__(
        self,
        names: str,
        inside: Mapping[str, "Fields"] | None = None,
        stands: Literal["object", "list", "values"] = "object",
        *,
        by: str = "",
        kinds: Mapping[str, "Fields | None"] | None = None,
        needs: frozenset[str] = frozenset(),
    ) -> None:
        self.needs = needs
        self.inside = tuple((inside or {}).items())
        self.names: frozenset[str] = frozenset(names.split()).union(inside or ())
        # An object that has only these is known, and has no object to look into.
        self.plain: frozenset[str] = frozenset() if by else self.names.difference(inside or ())
        self.stands = stands
        self.is_object = stands == "object"
        self.by = by
        self.kinds = kinds or {}
        # By the names of an object in which all are known: these repeat all the time.
        self._looks: dict[tuple[str, ...], _Look] = {}

    def look(self, names: tuple[str, ...]) -> "_Look":
        """Returns which of an object's names are unknown, sorted, and which to look into."""
        if (seen := self._looks.get(names)) is not None:
            return seen
        unknown = sorted(set(names) - self.names)
        look = unknown, [(name, inside) for name, inside in self.inside if name in names]
        if not unknown and len(self._looks) < _MOST_LOOKS:
            self._looks[names] = look
        return look

    def knows(self, node: dict[str, Any]) -> bool:
        """Says whether all in an object is known; it may say no where nobody has looked yet.

        It costs little, for nearly all is known: no call for what has nothing to look into.
        """
        if (look := self._looks.get(tuple(node))) is None:
            return False
        for name, inside in look[1]:
            below, plain = node[name], inside.plain
            if type(below) is dict:
                if inside.is_object and plain.issuperset(below):
                    continue
                below = inside.objects(below)
            elif type(below) is not list:
                continue
            if inside.by:
                if not inside.knows_kinds(below):
                    return False
                continue
            for each in below:
                if type(each) is dict and not plain.issuperset(each) and not inside.knows(each):
                    return False
        return True

    def knows_kinds(self, objects: Sequence[Any]) -> bool:
        """Says whether all is known in objects that tell their kinds."""
        by, kinds = self.by, self.kinds
        for each in objects:
            if type(each) is dict and isinstance(kind := each.get(by), str) and kind:
                known = kinds.get(kind, NO_KIND)
                if known is None or known.plain.issuperset(each):
                    continue
                if not known.knows(each):
                    return False
        return True

    def objects(self, written: Any) -> Sequence[Any]:
        """Returns the objects in a value that is no list."""
        if type(written) is dict and self.stands == "object":
            return (written,)
        if type(written) is not dict or self.stands == "list":
            return ()
        return [each for _, each in sorted(written.items())]

    def of_kind(self, node: dict[str, Any]) -> "Fields | None":
        """Returns the fields of an object's kind; `NO_KIND` for one that nobody has published."""
        kind = node.get(self.by)
        return self.kinds.get(kind, NO_KIND) if isinstance(kind, str) and kind else None


NO_KIND: Final = Fields("")
"""The fields of a kind that nobody has published."""


def fields(model: type[BaseModel], more: str = "", **inside: Fields) -> Fields:
    """Returns the fields that a model reads, in all spellings, and `more` that it does not."""
    names = set(more.split())
    below: dict[str, Fields] = {}
    for field, info in model.model_fields.items():
        spellings = _spellings(field, info.validation_alias)
        names |= spellings
        if (nested := _nested(info.annotation)) is not None:
            below |= dict.fromkeys(spellings, fields(nested))
    return Fields(" ".join(names), below | inside)


def event(model: type[Happened]) -> Fields:
    """Returns the fields of an event of this shape."""
    inside = {"location": _LOCATION, "device_current_state": _DEVICE_STATE}
    if issubclass(model, IdentitiesChange):
        inside |= dict.fromkeys(("added", "removed", "new", "old"), _IDENTITY)
    said_by_all = Flagged.model_fields.keys() - Happened.model_fields.keys()
    more = [*said_by_all, *LEFT_OUT, *_MORE_IN_EVENTS.get(model, ())]
    return fields(model, " ".join(more), **inside)


def _spellings(field: str, alias: Any) -> set[str]:
    if not isinstance(alias, AliasChoices):
        return {alias or field}
    return {
        str(choice.path[0]) if isinstance(choice, AliasPath) else choice for choice in alias.choices
    }


def _nested(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _nested(each))), None)


_MORE_IN_EVENTS: Mapping[type, tuple[str, ...]] = MappingProxyType(
    {
        AttributeChange: ("old", "is_new_attribute"),
        CommerceEvent: ("event_name", "custom_event_type"),
    }
)
_LOCATION = Fields(
    "latitude longitude accuracy country_code region_code city_name postal_code dma_code "
    "location_source"
)
_DEVICE_STATE = Fields(
    "time_since_start_ms battery_level data_connection_type data_connection_type_detail gps_state "
    "total_system_memory_usage_bytes disk_space_free_bytes external_disk_space_free_bytes cpu "
    "system_memory_available_bytes system_memory_low system_memory_threshold_bytes "
    "application_memory_available_bytes application_memory_max_bytes "
    "application_memory_total_bytes device_orientation status_bar_orientation"
)
_IDENTITY_NAMES = (
    "type encoding value identity_type identity identity_value identity_format "
    "timestamp_unixtime_ms created_this_batch"
)
_IDENTITY = Fields(_IDENTITY_NAMES, needs=VALUE_NAMES)
# Batches that come in have an object of type to value instead.
_LISTED = Fields(_IDENTITY_NAMES, stands="list", needs=VALUE_NAMES)
_NAMED = Fields(_IDENTITY_NAMES, stands="values", needs=VALUE_NAMES)
_CONSENTS = Fields(" ".join(fields(Consent).names), stands="values")
_CONSENT_STATE = Fields(
    "",
    dict.fromkeys(("gdpr_consent_state", "ccpa_consent_state", "gdpr", "ccpa"), _CONSENTS),
)
_CONSENT = fields(Consent)
_NOTIFICATION = fields(
    ConsentNotification,
    old_gdpr_consent_state=_CONSENT,
    new_gdpr_consent_state=_CONSENT,
    old_ccpa_consent_state=_CONSENT,
    new_ccpa_consent_state=_CONSENT,
    data=Fields("purpose", {"old": _CONSENT, "current": _CONSENT}),
)
_ACCOUNT = fields(Account, "account_settings")
_RUNTIME = fields(
    RuntimeEnvironment,
    "type client_ip_address sdk_version http_header_user_agent build_id brand product name "
    "os_version locale_language locale_country timezone_offset manufacturer model country "
    "timezone_name application_name application_version application_package device_manufacturer "
    "device_model device_country push_token limit_ad_tracking is_dst screen_height screen_width "
    "screen_dpi network_country network_carrier network_code network_mobile_country_code is_tablet "
    "cpu_architecture radio_access_technology supports_telephony has_nfc bluetooth_enabled "
    "bluetooth_version android_sdk_level install_referrer is_sandboxed "
    "apple_search_ads_attribution att_authorization_status att_timestamp_unixtime_ms",
    identities=_LISTED,
)
_DEVICE_INFO = Fields(
    " ".join(DEVICE_FIELDS)
    + " brand product device device_manufacturer platform os_version device_model screen_height "
    "screen_width screen_dpi device_country locale_language locale_country network_country "
    "network_carrier network_code network_mobile_country_code timezone_offset build_identifier "
    "http_header_user_agent att_authorization_status att_timestamp_unixtime_ms "
    "cpu_architecture is_tablet push_notification_sound_enabled "
    "push_notification_vibrate_enabled radio_access_technology supports_telephony has_nfc "
    "bluetooth_enabled bluetooth_version build_version_release limit_ad_tracking is_dst"
)
_APPLICATION_INFO = Fields(
    "application_name application_version application_build_number install_referrer package os "
    "apple_search_ads_attributes sideloaded_kits_count"
)
_PLATFORM = Fields(
    "mp_account_id mp_account_name workspace_id workspace_name input_name app_name app_version "
    "dataplan_id dataplan_name dataplan_version"
)
_CONTEXT = Fields("", {"data_plan": Fields("plan_id plan_version"), "location": _LOCATION})
_AUDIENCE = fields(ProfileAudience, user_attributes=fields(SharedAttribute))
_ENVELOPE = "type firehose_version account"


def event_request(events: Fields) -> Fields:
    return fields(
        EventRequest,
        _ENVELOPE + " source_id integration_attributes",
        account=_ACCOUNT,
        user_identities=_LISTED,
        partner_identities=_LISTED,
        runtime_environment=_RUNTIME,
        consent_state=_CONSENT_STATE,
        system_notifications=_NOTIFICATION,
        platform_fields=_PLATFORM,
        events=events,
    )


def event_batch(events: Fields) -> Fields:
    return fields(
        EventBatch,
        "schema_version message_type origin_mpid sdk_version ip integration_attributes "
        "partner_identity api_key api_keys job_id lock_key modified",
        user_identities=_LISTED,
        device_info=_DEVICE_INFO,
        application_info=_APPLICATION_INFO,
        source_info=fields(SourceInfo, "partner"),
        context=_CONTEXT,
        consent_state=_CONSENT_STATE,
        system_notifications=_NOTIFICATION,
        attribution_info=Fields("service_provider publisher campaign"),
        events=events,
    )


SUBSCRIPTION_REQUEST: Final = fields(
    # A partner's published example has the attributes.
    SubscriptionRequest,
    _ENVELOPE + " user_attributes",
    account=_ACCOUNT,
)
MEMBERSHIP_REQUEST: Final = fields(
    MembershipRequest,
    _ENVELOPE,
    account=_ACCOUNT,
    user_profiles=fields(
        UserProfile,
        user_identities=_LISTED,
        device_identities=_LISTED,
        partner_identities=_LISTED,
        audiences=_AUDIENCE,
        added_audiences=_AUDIENCE,
        removed_audiences=_AUDIENCE,
    ),
)
SUBJECT_REQUEST: Final = fields(
    SubjectRequest,
    _ENVELOPE + " api_version",
    account=_ACCOUNT,
    subject_identities=_NAMED,
    extensions=Fields(
        "",
        {
            "opendsr.mparticle.com": Fields(
                "skip_waiting_period mpids",
                {"subject_identities": _NAMED, "identities": _NAMED},
            )
        },
    ),
)
