"""Mode `udc`: rows for AB Tasty's Universal Data Connector."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import cast

import orjson

from agents.ab_tasty.agreed_audiences import AgreedAudiences
from agents.ab_tasty.calls import Member, Post
from agents.ab_tasty.mapping import Row, RowRules, fold, no_row, row, segment
from agents.ab_tasty.settings import AbTastySettings
from agents.learned_names import LearnedNames
from models.audience_membership import MembershipChanged
from models.record import Record
from streams.delivery.sink import Batch, LaneKey, Placement
from streams.outcomes import Dropped, Rejected

SEGMENTS = "segments"
_HEADER = ",".join(Row._fields) + "\n"


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
        self._line = csv_line if settings.body_format == "csv" else json_line

    def place(self, record: Record, at: Placement) -> LaneKey | Dropped | Rejected:
        if not isinstance(record, MembershipChanged):
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
        rows, size = fold(
            self._entries(cast("Sequence[MembershipChanged]", waiting), names, segments, members),
            limits.batch_max_rows,
            limits.batch_max_bytes - len(_HEADER),
        )
        body = to_csv(rows) if limits.body_format == "csv" else [each._asdict() for each in rows]
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
    ) -> Iterator[tuple[tuple[str, str], int, Row]]:
        """Also notes the names and segments used, one for each audience, and the changes."""
        for change in waiting:
            audience_id = change.audience_id
            if audience_id not in names:
                name = names[audience_id] = self._name(change) or ""
                wanted = segment(self._rules.segment_name_template, audience_id, name)
                segments[audience_id] = self._known.called(audience_id, wanted).name
            each = row(change, segments[audience_id], self._rules)
            members.append(Member(each.visitor_id, audience_id, change.change == "joined"))
            yield (each.visitor_id, each.segment), len(self._line(each)), each

    def _name(self, change: MembershipChanged) -> str | None:
        return self._known.name_of(change, self._names)


def to_csv(rows: Iterable[Row]) -> str:
    """Renders a header line and the rows; no field can hold a delimiter, so none is quoted."""
    return _HEADER + "".join(f"{','.join(each)}\n" for each in rows)


def csv_line(each: Row) -> bytes:
    return f"{','.join(each)}\n".encode()


def json_line(each: Row) -> bytes:
    return orjson.dumps(each._asdict()) + b","
