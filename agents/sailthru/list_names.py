"""What lists are called: by their audiences, also where a record carries only the id."""

from agents.audience_names import NameBook
from agents.sailthru import mapping
from agents.sailthru.options import Options
from models.audience_membership import AudienceChanged, MembershipChanged
from models.record import Record


class ListNames:
    """The names of lists, from what has been learned of their audiences."""

    def __init__(self, options: Options, *, keeps_first: bool) -> None:
        self._options = options
        self._audiences = NameBook(keeps_first=keeps_first)

    def learn(self, record: Record) -> None:
        self._audiences.learn(record)

    def named(
        self, record: MembershipChanged | AudienceChanged
    ) -> MembershipChanged | AudienceChanged:
        """The record with the audience's name."""
        return record.model_copy(update={"audience_name": self._audiences.name(record)})

    def of(self, record: MembershipChanged | AudienceChanged) -> str | None:
        """The list of a record's audience; None when its name needs what nobody has said."""
        return mapping.list_name(self.named(record), self._options)
