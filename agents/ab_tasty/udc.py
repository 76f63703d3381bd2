"""Mode `udc`: rows for AB Tasty's Universal Data Connector."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import orjson
from msgspec.structs import asdict

from agents.ab_tasty.agreed_audiences import AgreedAudiences
from agents.ab_tasty.calls import Member, Post
from agents.ab_tasty.mapping import Row, RowRules, fold, no_row, row, segment
from agents.ab_tasty.settings import AbTastySettings
from agents.learned_names import LearnedNames
from models.audience_membership import MEMBERSHIPS, MembershipChanged
from models.record import Record
from streams.delivery.sink import Batch, LaneKey, Placement
from streams.outcomes import Dropped, Rejected

SEGMENTS = "segments"
_HEADER = ",".join(Row.__struct_fields__) + "\n"


class _BodyFormat(NamedTuple):
    """The way in which rows are written."""

    sized: Callable[[Row], tuple[int, Any]]
    """Makes of a row its part of a body, and says how many bytes that is."""
    body: Callable[[Iterable[Any]], str | list[Any]]
    """Joins the parts."""


class Udc:
    """Places memberships and renders uploads.

    AB Tasty applies uploads in the order it took them, so a partition is one lane.
    """

    endpoints = (SEGMENTS,)

    def __init__(
        self, settings: AbTastySettings, names: LearnedNames, known: AgreedAudiences
    ) -> None:
        self._settings = settings
        self._names = names
        self._known = known
        self._rules = RowRules(
            settings.identity,
            settings.segment_name_template,
            settings.join_value,
            settings.leave_value,
        )
        self._url = settings.url(SEGMENTS)
        self._body_format = _CSV if settings.body_format == "csv" else _JSON

    def place(self, record: Record, at: Placement) -> LaneKey | Dropped | Rejected:
        if not isinstance(record, MEMBERSHIPS):
            # Segments come into being with their first row; nothing announces them.
            return Dropped("not_needed")
        why_not = no_row(record, self._name(record), self._rules)
        return why_not or LaneKey(SEGMENTS, at.partition)

    def fold(self, lane: LaneKey, waiting: Sequence[Record]) -> Batch[Post]:
        """Folds to one row per visitor and segment; the last change wins."""
        limits = self._settings
        names: dict[str, str] = {}
        segments: dict[str, str] = {}
        members: list[Member] = []
        entries, size = fold(
            self._entries(cast("Sequence[MembershipChanged]", waiting), names, segments, members),
            limits.batch_max_rows,
            limits.batch_max_bytes - len(_HEADER),
        )
        body = self._body_format.body(entries)
        partition = cast("int", lane.subject)
        members = members[:size]
        return Batch(
            Post(lane.endpoint, self._url, body, names, segments, members, partition), size
        )

    async def settle(self, post: Post) -> bool:
        """Has it settled what its audiences are called; False when it calls one otherwise."""
        settled = True
        for audience_id, name in post.names.items():
            wanted = partial(segment, self._rules.segment_name_template, audience_id)
            called = await self._known.settle(audience_id, name, wanted)
            settled &= called == post.segments[audience_id]
        return settled

    def _entries(
        self,
        waiting: Iterable[MembershipChanged],
        names: dict[str, str],
        segments: dict[str, str],
        members: list[Member],
    ) -> Iterator[tuple[tuple[str, str], int, Any]]:
        """Also notes the names and segments used, one for each audience, and the changes."""
        sized = self._body_format.sized
        for change in waiting:
            audience_id = change.audience_id
            if audience_id not in names:
                name = names[audience_id] = self._name(change) or ""
                wanted = segment(self._rules.segment_name_template, audience_id, name)
                segments[audience_id] = self._known.called(audience_id, wanted).name
            each = row(change, segments[audience_id], self._rules)
            members.append(Member(each.visitor_id, audience_id, change.change == "joined"))
            yield (each.visitor_id, each.segment), *sized(each)

    def _name(self, change: MembershipChanged) -> str | None:
        return self._known.name_of(change, self._names)


def csv_line(each: Row) -> str:
    """Renders a row; no field can hold a delimiter, so none is quoted."""
    return f"{each.visitor_id},{each.segment},{each.value}\n"


def to_csv(lines: Iterable[str]) -> str:
    """Renders a file of lines."""
    return _HEADER + "".join(lines)


def _sized_line(each: Row) -> tuple[int, str]:
    line = csv_line(each)
    return len(line) if line.isascii() else len(line.encode()), line


def _sized_object(each: Row) -> tuple[int, dict[str, str]]:
    made = asdict(each)
    return len(orjson.dumps(made)) + len(","), made


_CSV = _BodyFormat(_sized_line, to_csv)
_JSON = _BodyFormat(_sized_object, list)
