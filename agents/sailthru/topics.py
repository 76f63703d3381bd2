"""The topics that Sailthru's sink keeps for itself; nobody else reads or writes these."""

from pydantic import TypeAdapter

from agents.agreed_names import AGREED_NAMES
from models.list_state import ListState
from streams.kafka.rights import Rights
from streams.topics import AUDIENCES, BY_USER, DEAD_LETTERS, Topic

FILL = Rights((*BY_USER, AUDIENCES), (DEAD_LETTERS,), ("sailthru", "sailthru-fill"))
"""What `fill` needs at Kafka."""

# Keyed by a list's name. Partition i tells the worker that has partition i of the others what lists
# it is to make.
SAILTHRU_LISTS = Topic("sailthru-lists", TypeAdapter(ListState), compacted=True, together=True)
# By what names its lists are called.
SAILTHRU_AUDIENCES = Topic("sailthru-audiences", AGREED_NAMES, compacted=True)
