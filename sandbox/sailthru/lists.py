"""Lists, their members, and how two of one name come to be."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import count

from sandbox.sailthru import refusals
from sandbox.sailthru.calls import (
    Arguments,
    as_text,
    invalid,
    optional_flag,
    optional_object,
    required_text,
)
from sandbox.sailthru.names import check_list_name
from sandbox.sailthru.options import Options
from sandbox.sailthru.profiles import Profile, Profiles
from sandbox.server import RefusedError


@dataclass(slots=True, eq=False)
class MailingList:
    list_id: str
    name: str
    created: int
    type: str = "normal"
    primary: bool = False
    public_name: str | None = None
    vars: dict[str, object] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    """The sids of those who joined this one, were there several of its name."""

    def summary(self) -> dict[str, object]:
        """Fields and forms as observed in grouparoo/grouparoo, export-record.js."""
        return {
            "list_id": self.list_id,
            "list": self.name,
            "create_time": api_time(self.created),
            "send_time": None,
            "count": len(self.members),
            "type": self.type,
            "primary": self.primary,
        }

    def state(self) -> dict[str, object]:
        public_name = {"public_name": self.public_name} if self.public_name else {}
        return {
            "list_id": self.list_id,
            "list": self.name,
            "count": len(self.members),
            "type": self.type,
            "primary": int(self.primary),
            **public_name,
        }


class MailingLists:
    """All lists, found by name or id, made on the fly by who joins one (inferred: not by leaving).

    Reported, grouparoo/grouparoo, pull request 56: making one is a race. Between looking for a
    name and making it time passes, so requests that run at once each make one.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lists: dict[str, MailingList] = {}
        self._ids = count(1)

    def __iter__(self) -> Iterator[MailingList]:
        return iter(self._lists.values())

    def find(self, name: str) -> MailingList | None:
        """The oldest of the name."""
        return next((each for each in self if self._is_called(each, name)), None)

    def _is_called(self, each: MailingList, name: str) -> bool:
        if self._options.list_name_case == "ignored":
            return each.name.casefold() == name.casefold()
        return each.name == name

    async def ensure(self, names: Iterable[str]) -> dict[str, MailingList]:
        found = {name: self.find(name) for name in names}
        if None in found.values():
            await self._options.sleep(self._options.list_creation_delay)
        return {name: each or self._create(name) for name, each in found.items()}

    def join(self, profile: Profile, mailing_list: MailingList) -> None:
        """Observed: who is on the list already keeps the date of joining."""
        if mailing_list.name not in profile.lists:
            profile.lists[mailing_list.name] = int(self._options.clock())
            mailing_list.members.add(profile.sid)

    def leave(self, profile: Profile, name: str) -> None:
        for each in self:
            if self._is_called(each, name):
                profile.lists.pop(each.name, None)
                each.members.discard(profile.sid)

    def replace_member(self, old: Profile, new: Profile) -> None:
        for each in self:
            if old.sid in each.members:
                each.members.remove(old.sid)
                each.members.add(new.sid)

    def remove_member(self, profile: Profile) -> None:
        for each in self:
            each.members.discard(profile.sid)

    def remove(self, name: str, profiles: Profiles) -> None:
        """Removes every list of the name, and everyone from it."""
        self._lists = {each.list_id: each for each in self if each.name != name}
        for profile in profiles:
            profile.lists.pop(name, None)

    def _create(self, name: str) -> MailingList:
        created = MailingList(f"{next(self._ids):024x}", name, int(self._options.clock()))
        self._lists[created.list_id] = created
        return created


class ListEndpoint:
    """Documented: page "list" (getstarted.meetmarigold.com/engagebysailthru)."""

    def __init__(self, lists: MailingLists, profiles: Profiles, options: Options) -> None:
        self._lists = lists
        self._profiles = profiles
        self._options = options

    async def get(self, arguments: Arguments) -> dict[str, object]:
        with_vars = bool(optional_object(arguments, "fields").get("vars"))
        if "list" not in arguments and "list_id" not in arguments:
            primary = optional_flag(arguments, "primary")
            wanted = [each for each in self._lists if not primary or each.primary]
            return {"lists": [_shown(each, with_vars=with_vars) for each in wanted]}
        return _shown(self._existing(arguments), with_vars=with_vars)

    async def post(self, arguments: Arguments) -> dict[str, object]:
        name = check_list_name(required_text(arguments, "list"), self._options)
        kind = arguments.get("type", "normal")
        if kind not in ("normal", "smart"):
            raise invalid("type", "normal or smart")
        if "query" in arguments and kind != "smart":
            raise invalid("type", "smart, since there is a query,")
        primary = optional_flag(arguments, "primary")
        values = optional_object(arguments, "vars")
        changed = (await self._lists.ensure([name]))[name]
        changed.type = str(kind)
        changed.vars |= values
        if primary is not None:
            changed.primary = primary
        if "public_name" in arguments:
            changed.public_name = as_text("public_name", arguments["public_name"])
        # Observed: this answer calls natural what GET calls normal.
        shown_type = "natural" if kind == "normal" else kind
        return {"list": name, "type": shown_type, "list_id": changed.list_id}

    async def delete(self, arguments: Arguments) -> dict[str, object]:
        required_text(arguments, "list")
        name = self._existing(arguments).name
        self._lists.remove(name, self._profiles)
        return {"list": name, "ok": True}

    def _existing(self, arguments: Arguments) -> MailingList:
        for each in self._lists:
            same_id = arguments.get("list_id", each.list_id) == each.list_id
            if same_id and arguments.get("list", each.name) == each.name:
                return each
        wanted = arguments.get("list", arguments.get("list_id"))
        raise RefusedError(refusals.UNKNOWN_LIST, f"Unknown list: {wanted}")


def api_time(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC))


def _shown(mailing_list: MailingList, *, with_vars: bool) -> dict[str, object]:
    extra: dict[str, object] = {"vars": mailing_list.vars} if with_vars else {}
    return mailing_list.summary() | extra
