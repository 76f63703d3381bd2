"""The API key and its secret, which may be exchanged while the worker runs."""

from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import SecretStr

from agents.sailthru.settings import SailthruSettings
from streams.secret_files import text_of

log = structlog.get_logger()

_Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Pair:
    """The key and secret that sign a request; its `repr` shows nothing of them."""

    key: SecretStr
    secret: SecretStr


class Credentials:
    """The pair of the settings, read again when a file that one of them is mounted as changes."""

    def __init__(self, settings: SailthruSettings) -> None:
        self._pair = Pair(settings.api_key, settings.api_secret)
        self._files = tuple(map(settings.mounted, ("api_key", "api_secret")))
        # Not looked at yet: a file may have changed since the settings were read.
        self._stamps: tuple[_Stamp | None, ...] = (None, None)

    def present(self) -> Pair:
        """The pair to sign with now. An unreadable or empty file leaves what there was."""
        stamps = tuple(map(_stamp, self._files))
        if stamps != self._stamps:
            self._stamps = stamps
            pair = Pair(
                _read(self._files[0]) or self._pair.key, _read(self._files[1]) or self._pair.secret
            )
            if pair != self._pair:
                self._pair = pair
                log.info("credentials_rotated")
        return self._pair


def _stamp(file: Path | None) -> _Stamp | None:
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


def _read(file: Path | None) -> SecretStr | None:
    if file is None:
        return None
    try:
        text = text_of(file)
    except (OSError, UnicodeDecodeError):
        return None
    return SecretStr(text) if text else None
