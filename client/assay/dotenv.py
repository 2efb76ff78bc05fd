"""Files of environment variables (.env) as docker, python-dotenv and shells write them. Pure; nothing is executed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial

_NAME = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(=)?[ \t]*")
_REFERENCE = r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::?-(?P<else>[^}]*))?\}"
_IN_QUOTES = re.compile(rf"\\(?P<escaped>.)|{_REFERENCE}", re.DOTALL)
_UNQUOTED = re.compile(_REFERENCE)
_COMMENT = re.compile(r"[ \t]+#.*$")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\", "$": "$", "`": "`"}


class BadEnvFile(ValueError):
    """A line that sets no variable. The message has its number and not what is in it: it may be a secret."""


def parse(text: str, around: Mapping[str, str]) -> dict[str, str]:
    """Names and values, the last one of a name. `export`, comments, quotes over several lines; in double quotes
    backslashes mean what they do in a shell. `${NAME}` and `${NAME:-else}` stand for what is set above or `around`,
    but not in single quotes; `$NAME` stays as it is written. Raises BadEnvFile."""
    values: dict[str, str] = {}
    for line, name, raw, quote in _entries(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")):
        known = {**around, **values}
        if quote == "'":
            values[name] = raw
        else:
            meant = partial(_meant, known=known, line=line)
            values[name] = (_IN_QUOTES if quote else _UNQUOTED).sub(meant, raw)
    return values


def _meant(found: re.Match[str], known: Mapping[str, str], line: int) -> str:
    parts = found.groupdict()
    if (escaped := parts.get("escaped")) is not None:
        return _ESCAPES.get(escaped, "\\" + escaped)
    value = known.get(parts["name"])
    if value is None and parts["else"] is None:
        said = f"${{{parts['name']}}} is set neither above it nor here; in single quotes it stays as it is"
        raise BadEnvFile(f"line {line}: {said}")
    return value or parts["else"] or ""


def _entries(text: str) -> Iterator[tuple[int, str, str, str]]:
    """Line, name, value as it is written, and the quote around it."""
    position, line = 0, 1
    while position < len(text):
        end = _line_end(text, position)
        row = text[position:end]
        if row.strip() and not row.lstrip().startswith("#"):
            found = _NAME.match(row)
            if not found or not found[2]:
                raise BadEnvFile(f"line {line} is not NAME=VALUE")
            start = position + found.end()
            quote = text[start : start + 1]
            if quote in {'"', "'"}:
                close = _closing(text, start, line)
                end = _line_end(text, close)
                rest = text[close + 1 : end].strip()
                if rest and not rest.startswith("#"):
                    raise BadEnvFile(f"line {line}: something follows the closing quote")
                yield line, found[1], text[start + 1 : close], quote
            else:
                yield line, found[1], _COMMENT.sub("", f" {text[start:end]}").strip(), ""
        line += text.count("\n", position, end + 1)
        position = end + 1


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _closing(text: str, start: int, line: int) -> int:
    """Where the quote that begins at `start` ends."""
    quote, at = text[start], start + 1
    while at < len(text):
        if text[at] == quote:
            return at
        at += 2 if text[at] == "\\" and quote == '"' else 1
    raise BadEnvFile(f"line {line}: the quote does not end")
