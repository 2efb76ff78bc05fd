"""What people write on a command line, as values. Pure but for reading the files that an argument names."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import MINYEAR, UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from assay.reading import read_bytes

if TYPE_CHECKING:
    from assay.requests import FilterOptions

LONGEST_S = 100 * 365 * 86_400.0  # a hundred years: nothing here is older
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_SIZES = {"": 1, "m": 1, "mb": 1, "mib": 1, "g": 1024, "gb": 1024, "gib": 1024}


def read_text(path: Path) -> str:
    """The text of a file. A usage error for what cannot be read as UTF-8."""
    try:
        return read_bytes(path).decode("utf-8-sig")  # an editor's byte order mark is no part of the text
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{path} is not UTF-8 text") from error


def query(value: str) -> str:
    """`-` is standard input, `@file` a file, `@@text` the text `@text`, everything else the query itself."""
    if value == "-":
        try:
            return sys.stdin.read()
        except UnicodeDecodeError as error:
            raise typer.BadParameter("standard input is not UTF-8 text", param_hint="--query") from error
    if value.startswith("@@"):
        return value[1:]
    if value.startswith("@") and len(value) > 1:
        file = Path(value[1:])
        try:
            there = file.exists()
        except (OSError, ValueError):  # no name of a file at all
            there = False
        if not there:
            shown = value if len(value) <= 40 else f"{value[:40]}..."
            raise typer.BadParameter(
                f"{value[1:41]}: No such file. `@` at the start means a file with the query: "
                f"to ask just that, write `@{shown}`",
                param_hint="--query",
            )
        return read_text(file)
    return value


def seconds(value: str) -> float:
    """`90`, `90s`, `5m`, `1.5h`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", value.strip().lower())
    if not found or found[2] not in _UNITS:
        raise typer.BadParameter(f"{value!r} is no duration: write 90, 90s, 5m or 1h")
    return float(found[1]) * _UNITS[found[2]]


def ago(value: str, option: str) -> timedelta:
    """`30s`, `15m`, `2h`, `7d`. With its unit, since 7 could be meant to be days."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", value.strip().lower())
    if found and found[2] in _UNITS and (length := float(found[1]) * _UNITS[found[2]]) <= LONGEST_S:
        return timedelta(seconds=length)
    raise typer.BadParameter(f"{value!r} is no length of time: write 7d, 12h or 30m", param_hint=option)


def when(value: str, option: str, *, zone: tzinfo | None = None) -> datetime | timedelta:
    """A date, a time, or how long ago. `zone`: of what is written without one; else local time."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?", value.strip()):
        with suppress(ValueError):  # there is no February 30
            written = datetime.fromisoformat(value.strip())
            return _utc(written if written.tzinfo else written.replace(tzinfo=zone), value, option)
    elif re.match(r"\d+(\.\d+)?\s*[a-z]", value.strip().lower()):
        return ago(value, option)
    said = "write a date (2026-01-31), a time (2026-01-31T14:00), or how long ago (7d, 2h)"
    raise typer.BadParameter(f"{value!r} is no time: {said}", param_hint=option)


def _utc(written: datetime, value: str, option: str) -> datetime:
    try:
        return written.astimezone(UTC)
    except (ValueError, OverflowError):  # UTC has no time before the year 1, and none after 9999
        wrong = "early" if written.year == MINYEAR else "late"
        raise typer.BadParameter(f"{value!r} is too {wrong}", param_hint=option) from None


def states(values: Iterable[str]) -> list[str]:
    """States by name, whatever their case; several may be joined by commas."""
    from assay.tests import TestState

    return [
        chosen(name, [state for state in TestState if state is not TestState.UNKNOWN], "--state")
        for value in values
        for name in value.split(",")
    ]


def chosen(value: str, known: Iterable[str], option: str) -> str:
    """One of a list of names, as the API writes it: `run-time` is RUN_TIME."""
    names = list(known)
    name = value.strip().upper().replace("-", "_")
    if name not in names:
        words = ", ".join(one.lower().replace("_", "-") for one in names)
        raise typer.BadParameter(f"{value!r} is none of {words}", param_hint=option)
    return name


def whole(option: str, *, least: int, most: int | None = None) -> Callable[[str | int], int]:
    """What reads the whole number of an option."""
    bounds = f"{least} or more" if most is None else f"a number from {least} to {most}"

    def read(value: str | int) -> int:
        if not re.fullmatch(r"[+-]?\d{1,18}", text := str(value).strip()):  # a default is a number already
            raise typer.BadParameter(f"{text!r} is no whole number: write {bounds}", param_hint=option)
        if int(text) < least or (most is not None and int(text) > most):
            wrong = "small" if int(text) < least else "large"
            raise typer.BadParameter(f"{text!r} is too {wrong}: write {bounds}", param_hint=option)
        return int(text)

    return read


def line_range(value: str, option: str) -> tuple[int, int | None]:
    """`120-180`, `120-` to the end, `120` alone: first and last number."""
    found = re.fullmatch(r"(\d{1,18})(-(\d{1,18})?)?", value.strip())
    if not found or int(found[1]) < 1:
        raise typer.BadParameter(f"{value!r} is no range of lines: write 120-180, 120- or 120", param_hint=option)
    first, last = int(found[1]), int(found[3]) if found[3] else None
    if last is not None and last < first:
        raise typer.BadParameter(f"{value!r} ends before it begins", param_hint=option)
    return first, last if found[2] else first


def number(option: str) -> Callable[[str], float]:
    """What reads the number of an option."""

    def read(value: str) -> float:
        with suppress(ValueError):
            if math.isfinite(found := float(value)):
                return found
        raise typer.BadParameter(f"{value!r} is no number: write one such as 2 or 0.5", param_hint=option)

    return read


def wanted_labels(values: Iterable[str], option: str) -> dict[str, str]:
    """`KEY=VALUE`, or `KEY` alone for a label with any value."""
    result = {}
    for value in values:
        key, _, rest = value.partition("=")
        if not key:
            raise typer.BadParameter(f"{value!r} has no key: write KEY=VALUE or KEY", param_hint=option)
        result[key] = rest
    return result


def conditions(
    *,
    state: Iterable[str] | None,
    agent: str,
    label: Iterable[str] | None,
    provider: str,
    failure: str,
    since: str,
    until: str,
    text: str,
    user: str,
) -> FilterOptions:
    """Which tests, from the options of options.py. What was not said is left out."""
    wanted: FilterOptions = {}
    if state:
        wanted["states"] = states(state)
    if agent:
        wanted["agent_id"] = agent
    if label:
        wanted["labels"] = wanted_labels(label, "--label")
    if provider:
        wanted["provider"] = provider
    if failure:
        wanted["failure_code"] = failure.upper().replace("-", "_")
    if since:
        wanted["since"] = when(since, "--since")
    if until:
        wanted["until"] = when(until, "--until")
    if text:
        wanted["text"] = text
    if user:
        wanted["user_id"] = user
    return wanted


def mebibytes(value: str) -> int:
    """`512`, `512m`, `2g`: MiB."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", value.strip().lower())
    if not found or found[2] not in _SIZES:
        raise typer.BadParameter(f"{value!r} is no size: write 512, 512m or 2g")
    return int(float(found[1]) * _SIZES[found[2]])


def pairs(values: Iterable[str], option: str) -> dict[str, str]:
    """`KEY=VALUE`, as often as wanted; the last one of a key counts."""
    result = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{value!r} is not KEY=VALUE", param_hint=option)
        result[key] = rest
    return result


def environment(values: Iterable[str]) -> dict[str, str]:
    """`KEY=VALUE`, or `KEY` alone for the value that it has here."""
    result = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not key or (not equals and key not in os.environ):
            raise typer.BadParameter(f"{value!r} is not KEY=VALUE, and {key!r} is not set here", param_hint="--env")
        result[key] = rest if equals else os.environ[key]
    return result


def env_files(paths: Iterable[Path]) -> dict[str, str]:
    """The variables of .env files; a later file wins."""
    from assay.dotenv import BadEnvFile, parse

    result: dict[str, str] = {}
    for path in paths:
        try:
            result |= parse(read_text(path), os.environ)
        except BadEnvFile as error:
            raise typer.BadParameter(f"{path}, {error}", param_hint="--env-file") from error
    return result


def names(values: Iterable[str]) -> list[str]:
    """Names, several of which may be joined by commas; each once."""
    return list(dict.fromkeys(name.strip() for value in values for name in value.split(",") if name.strip()))
