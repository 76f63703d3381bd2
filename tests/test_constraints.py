"""`constraints.txt` is the whole of what is installed: nothing comes in at a version of its own.

Without hashes: pip cannot verify the folder that the project itself is installed from, and refuses
all of it once one requirement has a hash.
"""

import contextlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from itertools import product

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.repository import ROOT

PROJECT = "mparticle-streams"
LINES = (ROOT / "constraints.txt").read_text().splitlines()
PARTED = [line.partition("==") for line in LINES]
PINS = {canonicalize_name(name): version for name, _, version in PARTED}
# Where it is said to run: README, Dockerfile.
ENVIRONMENTS = [
    {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": platform,
        "platform_system": system,
        "os_name": "posix",
        "platform_machine": machine,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for python, (platform, system), machine in product(
        ("3.11", "3.12", "3.13", "3.14"),
        (("linux", "Linux"), ("darwin", "Darwin")),
        ("x86_64", "aarch64", "arm64"),
    )
]


def _needed(name: str, extras: Iterable[str]) -> Iterator[Requirement]:
    """What a distribution requires somewhere that we run."""
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        wanted = [
            {**environment, "extra": extra}
            for environment, extra in product(ENVIRONMENTS, ("", *extras))
        ]
        if requirement.marker is None or any(map(requirement.marker.evaluate, wanted)):
            yield requirement


def _reached() -> set[str]:
    reached: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(PROJECT, frozenset({"sandbox", "dev"}))]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            needed = list(_needed(name, extras))
        except PackageNotFoundError:
            continue  # of another platform: it must be pinned, and cannot be looked into here
        for each in needed:
            if each.name != PROJECT:  # extras of its own
                reached.add(canonicalize_name(each.name))
            waiting.append((canonicalize_name(each.name), frozenset(each.extras)))
    return reached


def test_every_package_that_can_come_in_is_pinned_and_no_other() -> None:
    assert _reached() == set(PINS)


def test_a_pin_is_one_exact_version() -> None:
    pin = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+")
    assert [line for line in LINES if not pin.fullmatch(line)] == []


def test_what_is_installed_is_what_is_pinned() -> None:
    for name, version in PINS.items():
        with contextlib.suppress(PackageNotFoundError):  # of another platform
            assert Version(distribution(name).version) == Version(version), name


def test_what_builds_the_project_is_pinned_too() -> None:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for requirement in document["build-system"]["requires"]:
        assert re.fullmatch(r"[a-z]+==[0-9.]+", requirement)
