"""What the Firehose's texts mean."""

from hypothesis import given, settings
from hypothesis import strategies as st

from models.mparticle.texts import boolean, boolean_or_number, typed
from models.record import Value

_TEXTS = (
    st.text(max_size=6)
    | st.from_regex(r"[-+]?0?[0-9]{1,20}(\\.[0-9]{1,5})?", fullmatch=True)
    | st.floats().map(repr)
    | st.sampled_from(["true", "false", "True", " true", "null", "1e5", "-0", "-0.0", "NaN", "²"])
)
_VALUES = _TEXTS | st.none() | st.booleans() | st.integers() | st.lists(_TEXTS, max_size=2)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(_TEXTS)
def test_number_is_read_only_where_it_writes_itself_like_that(text: str) -> None:
    meaning = boolean_or_number(text)
    if isinstance(meaning, str | bool):
        assert meaning == boolean(text)
    else:
        assert repr(meaning) == text
        assert text == "0" or not text.lstrip("-").startswith(("00", "+"))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.dictionaries(st.text(max_size=3), _VALUES, max_size=4))
def test_only_texts_that_are_true_or_false_become_booleans(attributes: dict[str, Value]) -> None:
    meant = typed(attributes, boolean)
    assert meant.keys() == attributes.keys()
    for name, value in attributes.items():
        is_word = value in ("true", "false")
        assert meant[name] == ((value == "true") if is_word else value)
        assert type(meant[name]) is (bool if is_word else type(value))
