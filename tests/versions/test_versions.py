"""The page of Kafka versions is one that the command has written, of all that it tries."""

import pytest

from tests.versions.releases import VERSIONS, release
from tests.versions.table import DOCUMENT, read, written


def test_the_page_has_a_row_for_each_version_that_is_tried() -> None:
    assert set(read()) == set(VERSIONS)
    assert DOCUMENT.read_text(encoding="utf-8") == written(read())


@pytest.mark.parametrize("version", VERSIONS)
def test_the_jars_of_each_version_are_known(version: str) -> None:
    sums = release(version).sums / f"kafka-{version}.sha512"
    lines = sums.read_text(encoding="ascii").splitlines()

    assert f"kafka-clients-{version}.jar" in {line.split()[1] for line in lines}
    assert all(len(line.split()[0]) == 128 for line in lines)
