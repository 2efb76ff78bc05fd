"""Python source files as text, decoded as Python itself decodes them: byte order mark, declared encoding, else UTF-8.

Knows nothing of what the source says. The API takes text, so the declaration of another encoding is changed to UTF-8:
whoever runs the file again would be misled by it.
"""

from __future__ import annotations

import io
import os
import re
import tokenize

from assay.reading import read_bytes

_COOKIE = re.compile(r"^([ \t\f]*#.*?coding[:=][ \t]*)([-\w.]+)")  # PEP 263
_WIDE = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


class NotPythonText(ValueError):
    """The file is no text that Python would run. The message names the file, the line and what to do."""


def read_source(path: str | os.PathLike[str]) -> str:
    """The text of a Python file. Raises NotPythonText, OSError."""
    return decode_source(read_bytes(path), os.fspath(path))


def decode_source(data: bytes, name: str) -> str:
    """`data` as text, its line ends as they are. `name` is said in errors. Raises NotPythonText."""
    for mark, encoding in _WIDE:
        if data.startswith(mark):
            raise NotPythonText(f"{name} is {encoding} text, which Python does not run: save it as UTF-8")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:
        raise NotPythonText(f"{name}: {_about_the_declaration(error)}") from error
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        told = "and nothing else is declared" if encoding in {"utf-8", "utf-8-sig"} else "which it declares"
        raise NotPythonText(
            f"{name}, line {line}: the byte 0x{data[error.start]:02x} is not {encoding}, {told}: "
            "save the file as UTF-8, or declare its encoding in its first line (# -*- coding: NAME -*-)"
        ) from error
    return text if encoding in {"utf-8", "utf-8-sig"} else _declared_as_utf_8(text)


def _about_the_declaration(error: SyntaxError) -> str:
    said = error.msg or "its encoding cannot be told"
    if "unknown encoding" in said:
        return f"{said}: its first lines declare an encoding that Python does not have: save it as UTF-8"
    if "invalid or missing encoding" in said:
        return "its first lines are not UTF-8 and no encoding is declared: save it as UTF-8"
    return f"{said}: save it as UTF-8 and take the declaration away"


def _declared_as_utf_8(text: str) -> str:
    """The text with its declaration changed in place, so that every line keeps its number."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines[:2]):
        if _COOKIE.match(line):
            lines[number] = _COOKIE.sub(r"\g<1>utf-8", line, count=1)
            break
    return "".join(lines)
