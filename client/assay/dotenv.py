"""Files of environment variables (.env) as docker, python-dotenv and shells write them. Pure; nothing is executed."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAME = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(=)?[ \t]*")
_PLAIN_END = re.compile(r"[ \t]+#.*$")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\", "$": "$", "`": "`"}


class BadEnvFile(ValueError):
    """A line that sets no variable. The message has its number and not what is in it: it may be a secret."""


def parse(text: str) -> dict[str, str]:
    """Names and values, the last one of a name. `export`, comments, quotes over several lines; in double quotes
    backslashes mean what they do in a shell. `$NAME` stays as it is written. Raises BadEnvFile."""
    return dict(_entries(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")))


def _entries(text: str) -> Iterator[tuple[str, str]]:
    position, line = 0, 1
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        row = text[position:end]
        if not row.strip() or row.lstrip().startswith("#"):
            position, line = end + 1, line + 1
            continue
        found = _NAME.match(row)
        if not found or not found[2]:
            raise BadEnvFile(f"line {line} is not NAME=VALUE")
        start = position + found.end()
        if text[start : start + 1] in {'"', "'"}:
            value, after = _quoted(text, start, line)
            end = text.find("\n", after)
            end = len(text) if end < 0 else end
            rest = text[after:end].strip()
            if rest and not rest.startswith("#"):
                raise BadEnvFile(f"line {line}: something follows the closing quote")
        else:
            value = _PLAIN_END.sub("", f" {text[start:end]}").strip()
        yield found[1], value
        line += text.count("\n", position, end + 1)
        position = end + 1


def _quoted(text: str, start: int, line: int) -> tuple[str, int]:
    """The value between quotes, and where it ends."""
    value: list[str] = []
    quote, at = text[start], start + 1
    while at < len(text):
        letter = text[at]
        if letter == quote:
            return "".join(value), at + 1
        if letter == "\\" and quote == '"' and at + 1 < len(text):
            value.append(_ESCAPES.get(text[at + 1], "\\" + text[at + 1]))
            at += 2
            continue
        value.append(letter)
        at += 1
    raise BadEnvFile(f"line {line}: the quote does not end")
