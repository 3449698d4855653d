"""Secret: a value that is never shown, given directly or by a file that is read again when it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class _Version(NamedTuple):
    """What tells one content of a file from the next without reading it."""

    inode: int
    mtime_ns: int
    size: int


class Secret:
    """A secret text. `current()` is the only way to see it; `repr` and `str` are masked."""

    __slots__ = ("_path", "_text", "_version")

    def __init__(self, text: str) -> None:
        """Hold a text that does not change."""
        self._text = text
        self._path: Path | None = None
        self._version: _Version | None = None

    @classmethod
    def in_file(cls, path: Path) -> Secret:
        """Hold what the file says now and whenever it changes. OSError or ValueError if it cannot be read."""
        secret = cls("")
        secret._path = path
        secret._read(path, _version(path))
        return secret

    @property
    def path(self) -> Path | None:
        """The file it comes from, None for a text given directly."""
        return self._path

    def current(self) -> str:
        """Return the secret as it is now; costs one `stat` where it is a file.

        A file that cannot be read for a moment (a volume being remounted, an editor that replaces it) keeps
        the last text: a rotation half done must not sign everybody out.
        """
        if self._path is not None:
            try:
                version = _version(self._path)
                if version != self._version:
                    self._read(self._path, version)
            except (OSError, ValueError):
                pass
        return self._text

    def __repr__(self) -> str:
        """Say where it comes from, never what it is."""
        return "Secret(masked)" if self._path is None else f"Secret(masked, in {self._path})"

    def _read(self, path: Path, version: _Version) -> None:
        text = path.read_text(encoding="utf-8").strip()
        if not text:
            raise ValueError(f"{path} is empty")
        self._text = text
        self._version = version


def _version(path: Path) -> _Version:
    status = path.stat()
    return _Version(status.st_ino, status.st_mtime_ns, status.st_size)
