"""Messages that mParticle has published: read where they lie, and not part of the project."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("MPARTICLE_SAMPLES") or "no-samples")

needed = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="MPARTICLE_SAMPLES names no folder of published messages"
)
