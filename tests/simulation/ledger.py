"""Which seeds were told on exactly this code, so that a long run goes on where it was stopped."""

import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_PRODUCT = ("agents", "models", "streams", "tests/simulation")
_LIBRARIES = "constraints.txt"

Result = dict[str, Any]
"""What came of a part of the seeds, as `telling` sums it up; `first` and `seeds` tell which."""


def digest(root: Path = ROOT) -> str:
    """Changes with whatever can change a story: our sources, our libraries and the Python."""
    found = hashlib.sha256(platform.python_version().encode())
    for path in sorted({*_sources(root), *_imported(root), root / _LIBRARIES}):
        found.update(f"\0{path.relative_to(root)}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _sources(root: Path) -> Iterator[Path]:
    for folder in _PRODUCT:
        for path in (root / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _imported(root: Path) -> Iterator[Path]:
    """What the simulation has of other tests."""
    for name, module in list(sys.modules.items()):
        path = Path(getattr(module, "__file__", None) or "")
        if name.startswith("tests.") and path.is_relative_to(root):
            yield path


class Ledger:
    """A file of results, a line each; those of other code are in files of their own."""

    def __init__(self, folder: Path, code: str) -> None:
        self._path = folder / f"{code}.jsonl"

    def read(self) -> dict[range, Result]:
        """Returns what was kept by its seeds; a line that a kill has cut short counts as none."""
        kept = {}
        for result in _lines(self._path):
            first = result["first"]
            kept[range(first, first + result["seeds"])] = result
        return kept

    def keep(self, result: Result) -> None:
        """Keeps what broke no promise; the rest is told again, and shown."""
        if not result["violations"]:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as lines:
                # A line of its own, also after one that was cut short.
                lines.write(f"\n{json.dumps(result)}\n")


def _lines(path: Path) -> Iterable[Result]:
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue
