"""Writes the boards: `python -m grafana.boards`, or `make boards`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.boards import dead_letters, engine, overview, router
from grafana.boards.destination.boards import BOARDS as DESTINATIONS

FOLDER = Path(__file__).parents[1] / "dashboards"
BOARDS = (overview.BOARD, router.BOARD, *DESTINATIONS, engine.BOARD, dead_letters.BOARD)


class _Encoder(JSONEncoder):
    """Without a default of the builder, which hides links and annotations in a menu."""

    def default(self, obj: Any) -> Any:
        found = super().default(obj)
        if isinstance(found, dict) and found.get("placement") == "inControlsMenu":
            del found["placement"]
        return found


def files() -> Mapping[str, str]:
    """What each file of the folder holds."""
    return {
        f"{board.name}.json": json.dumps(board.build(), cls=_Encoder, indent=2) + "\n"
        for board in BOARDS
    }


if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
