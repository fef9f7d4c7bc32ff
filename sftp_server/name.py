"""Client paths as tuples of names: decoded, normalised, and refused when a name could hurt somebody.

Everything here is text; no file system is touched. Because the server makes no symbolic link and follows none,
`..` can be resolved in the text alone.
"""

from __future__ import annotations

import re

from asyncssh import SFTPInvalidFilename

#: A path below the root, `()` being the root itself.
Names = tuple[str, ...]

_LONGEST_PATH = 4096
_LONGEST_NAME = 255
#: What has no business in a name: it could break a line of a log or drive a terminal.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def is_showable(name: str) -> bool:
    """Whether a name found on disk may be sent to a client: valid Unicode without control characters."""
    return CONTROL.search(name) is None


def parse(path: bytes) -> Names:
    """Turn a client's path into names; relative ones start at the root and `..` stops there.

    Raises `SFTPInvalidFilename` for names that are not UTF-8 or carry control characters.
    """
    if len(path) > _LONGEST_PATH:
        raise SFTPInvalidFilename(f"The path is longer than {_LONGEST_PATH} bytes")
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError:
        raise SFTPInvalidFilename("File names must be UTF-8") from None
    if not is_showable(text):
        raise SFTPInvalidFilename("File names must not contain control characters")
    names: list[str] = []
    for name in text.split("/"):
        if name == "..":
            del names[-1:]
        elif name not in ("", "."):
            names.append(name)
    return tuple(names)


def check_new(name: str) -> None:
    """Refuse names that a client may not give to a file; `SFTPInvalidFilename` says why."""
    if len(name.encode()) > _LONGEST_NAME:
        raise SFTPInvalidFilename(f"The file name is longer than {_LONGEST_NAME} bytes")
    if name.startswith("-"):
        raise SFTPInvalidFilename("File names must not start with '-'")
    if "\\" in name:
        raise SFTPInvalidFilename("File names must not contain a backslash; folders are separated by '/'")


def show(names: Names) -> str:
    """Write names as the absolute path a client sees."""
    return "/" + "/".join(names)
