"""The endpoints `user` and `event`."""

from collections.abc import Mapping

from sandbox.sailthru import refusals
from sandbox.sailthru.calls import Arguments, optional_object, required_text
from sandbox.sailthru.changes import OWN_KEYS, Change, read_change, read_identity
from sandbox.sailthru.lists import MailingList, MailingLists, api_time
from sandbox.sailthru.names import clean_vars
from sandbox.sailthru.options import Options
from sandbox.sailthru.profiles import Profile, Profiles
from sandbox.server import Refusal, RefusedError

RESERVED_EVENTS = frozenset({"send", "cancel", "open", "click", "purchase", "daily"})
"""Documented: page "event" (getstarted.meetmarigold.com/engagebysailthru). That their case and the
spaces around them do not matter is inferred: the page does not say that they do.
"""


class UserEndpoints:
    """Documented: page "user" (getstarted.meetmarigold.com/engagebysailthru, docs.sailthru.com)."""

    def __init__(self, profiles: Profiles, lists: MailingLists, options: Options) -> None:
        self._profiles = profiles
        self._lists = lists
        self._options = options

    async def post(self, arguments: Arguments) -> dict[str, object]:
        """An upsert. Observed: an unknown e-mail address makes a profile."""
        kind, value = read_identity(arguments, self._options)
        change = read_change(arguments, self._options)
        fields = optional_object(arguments, "fields")
        joined = await self._lists.ensure(name for name, joins in change.lists.items() if joins)
        # Nothing waits from here on, so a call is done whole or not at all.
        profile = self._profiles.find(kind, value)
        self._check_conflicts(change, profile)
        if profile is None:
            profile = self._create(kind, value, has_email="email" in (kind, *change.keys))
        self._apply(change, profile, joined)
        return {"ok": True, **_shown(profile, fields)}

    async def get(self, arguments: Arguments) -> dict[str, object]:
        profile = self._existing(arguments, refusals.USER_NOT_FOUND)
        default = dict.fromkeys(("keys", "vars", "lists", "optout_email"), 1)
        return _shown(profile, optional_object(arguments, "fields") or default)

    async def delete(self, arguments: Arguments) -> dict[str, object]:
        profile = self._existing(arguments, refusals.DELETED_USER_NOT_FOUND)
        self._lists.remove_member(profile)
        self._profiles.remove(profile)
        return {"ok": True}

    async def post_event(self, arguments: Arguments) -> dict[str, object]:
        """Documented: vars belong to the event and are not saved on the profile."""
        kind, value = read_identity(arguments, self._options)
        name = required_text(arguments, "event")
        if name.strip().casefold() in RESERVED_EVENTS:
            raise RefusedError(refusals.RESERVED_EVENT, f"Reserved event name: {name}")
        values = optional_object(arguments, "vars")
        if self._options.event_var_names == "clean":
            values = clean_vars(values, self._options)
        profile = self._profiles.find(kind, value)
        if profile is None and self._options.unknown_event_user == "refuse":
            raise RefusedError(refusals.USER_NOT_FOUND, f"User not found with {kind}: {value}")
        if profile is None:
            profile = self._create(kind, value, has_email=kind == "email")
        self._profiles.add_event(profile, name, values)
        return {"ok": True}

    def _existing(self, arguments: Arguments, refusal: Refusal) -> Profile:
        kind, value = read_identity(arguments, self._options)
        if (profile := self._profiles.find(kind, value)) is None:
            raise RefusedError(refusal, f"User not found with {kind}: {value}")
        return profile

    def _check_conflicts(self, change: Change, profile: Profile | None) -> None:
        for kind, value in change.keys.items():
            if not change.merges and self._profiles.find(kind, value) not in (None, profile):
                raise RefusedError(refusals.KEYS_CONFLICT, f"Another profile has this {kind}")

    def _create(self, kind: str, value: str, *, has_email: bool) -> Profile:
        if kind in OWN_KEYS:
            raise RefusedError(refusals.CANNOT_CREATE, f"No profile has this {kind}")
        if not has_email and self._options.profile_without_email == "refuse":
            raise RefusedError(refusals.CANNOT_CREATE, "A new profile needs an email address")
        return self._profiles.create(kind, value)

    def _apply(self, change: Change, profile: Profile, joined: Mapping[str, MailingList]) -> None:
        self._set_keys(profile, change)
        self._set_vars(profile, change.vars)
        for name, joins in change.lists.items():
            if joins:
                self._lists.join(profile, joined[name])
            else:
                self._lists.leave(profile, name)
        if change.optout is not None:
            profile.optout = change.optout
        profile.logins += change.is_login

    def _set_keys(self, profile: Profile, change: Change) -> None:
        for kind, value in change.keys.items():
            other = self._profiles.find(kind, value)
            if other is not None and other is not profile:
                self._profiles.merge(profile, other)
                self._lists.replace_member(other, profile)
            self._profiles.set_key(profile, kind, value)

    def _set_vars(self, profile: Profile, values: Mapping[str, object]) -> None:
        """Documented: vars not mentioned stay; observed: null is stored, not removed."""
        for name, value in values.items():
            old = profile.vars.get(name)
            if self._options.nested_vars == "merge" and isinstance(old, dict):
                profile.vars[name] = old | value if isinstance(value, dict) else value
            else:
                profile.vars[name] = value


def _shown(profile: Profile, fields: Mapping[str, object]) -> dict[str, object]:
    """Observed: a profile on no list shows null; dates as in an e-mail header."""
    shown: dict[str, object] = {}
    if fields.get("keys"):
        shown["keys"] = profile.all_keys()
    if fields.get("vars"):
        shown["vars"] = profile.vars or None
    if fields.get("lists"):
        lists = {name: api_time(joined) for name, joined in profile.lists.items()}
        shown["lists"] = lists or None
    if fields.get("optout_email"):
        shown["optout_email"] = profile.optout
    return shown
