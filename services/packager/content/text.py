"""From values to the text of files. Every piece of user text in a package goes through one of these."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime
from typing import Any, Final

import yaml

_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>|~&#$])")
_SPACES: Final = re.compile(r"\s+")


def json_file(value: Any) -> bytes:
    """JSON for people and programs. Pure ASCII, so that no editor, terminal or locale changes anything in it."""
    return (json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False) + "\n").encode("ascii")


def moment(of: datetime) -> str:
    """RFC 3339, to the millisecond, in UTC."""
    return of.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Quoted(str):
    """Text that a YAML file has in quotes, so that it is text to every reader: `0o17` and `on` are not always."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Says equal values twice instead of pointing from one to the other."""
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002
        """Lists are indented below their key."""
        super().increase_indent(flow, indentless=False)


_Dumper.add_representer(
    Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')
)


def yaml_file(value: Any, *, comment: str) -> bytes:
    """YAML in the order of the values. `comment` is our own text."""
    body = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=False, width=10**6)
    return f"{comment}{body}".encode("ascii")


def for_compose(text: str) -> Quoted:
    """Text in docker-compose.yml, where `$` would begin a variable."""
    return Quoted(text.replace("$", "$$"))


def markdown(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _MARKDOWN.sub(r"\\\1", _SPACES.sub(" ", text).strip())


def code_span(text: str) -> str:
    """Text in the type of code, on one line, whatever backticks are in it; also in a table."""
    shown = html.escape(_SPACES.sub(" ", text).strip(), quote=False)
    for sign in "\\`*_{}[]|~":
        shown = shown.replace(sign, f"&#{ord(sign)};")
    return f"<code>{shown}</code>"
