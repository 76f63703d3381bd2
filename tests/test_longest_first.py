"""The table of what takes longest holds files that there are, and orders by it."""

from pathlib import Path

from tests.longest_first import LONGEST, rank

ROOT = Path(__file__).parent.parent


def test_what_is_begun_first_is_there() -> None:
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []


def test_what_takes_longest_comes_before_what_is_not_named() -> None:
    named = [rank(ROOT / name, ROOT) for name in LONGEST]
    assert named == sorted(set(named))
    assert max(named) < rank(ROOT / "tests" / "test_docs.py", ROOT)
