"""No text of somebody else's moves a cursor, hides a line or makes one."""

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from streams.terminal import escaped

# Controls; separators of lines and paragraphs; halves of pairs.
HARMFUL = frozenset({"Cc", "Zl", "Zp", "Cs"})
TURNS = frozenset({"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"})
EVERY = st.text(st.characters(exclude_categories=()))


def is_harmful(sign: str) -> bool:
    return unicodedata.category(sign) in HARMFUL or unicodedata.bidirectional(sign) in TURNS


def test_of_all_signs_there_are_exactly_the_harmful_ones_are_escaped() -> None:
    marks = {"\N{LEFT-TO-RIGHT MARK}", "\N{RIGHT-TO-LEFT MARK}", "\N{ARABIC LETTER MARK}"}
    changed = {sign for sign in map(chr, range(0x110000)) if escaped(sign) != sign}
    assert changed == {sign for sign in map(chr, range(0x110000)) if is_harmful(sign)} | marks


@given(text=EVERY)
def test_nothing_harmful_is_left_and_what_is_escaped_is_still_one_line(text: str) -> None:
    said = escaped(text)
    assert not any(map(is_harmful, said))
    assert escaped(said) == said
    assert len(said.splitlines()) <= 1


@given(value=st.recursive(EVERY, lambda inner: st.lists(inner) | st.dictionaries(EVERY, inner)))
def test_escaped_json_means_the_same(value: object) -> None:
    assert json.loads(escaped(json.dumps(value, ensure_ascii=False))) == value
