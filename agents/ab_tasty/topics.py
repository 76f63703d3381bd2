"""The topics that AB Tasty's sink keeps for itself; nobody else reads or writes these."""

from pydantic import TypeAdapter

from agents.agreed_names import AGREED_NAMES
from streams.topics import Topic

# The audiences that AB Tasty has, and by what names.
AB_TASTY_AUDIENCES = Topic("ab-tasty-audiences", AGREED_NAMES, compacted=True)
# Keyed by visitor and audience: when AB Tasty last took the membership, in milliseconds.
AB_TASTY_MEMBERS = Topic("ab-tasty-members", TypeAdapter(int), compacted=True, together=True)

REFRESH_GROUP = "ab-tasty-refresh"
"""The group beside whose offsets is kept how far members' rows were sent again."""
