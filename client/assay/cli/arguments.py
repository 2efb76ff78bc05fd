"""What people write on a command line, as values. Pure but for reading the files that an argument names."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import typer

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_SIZES = {"": 1, "m": 1, "mb": 1, "mib": 1, "g": 1024, "gb": 1024, "gib": 1024}


def read_text(path: Path) -> str:
    """The text of a file. A usage error for what cannot be read as UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{path} is not UTF-8 text") from error


def query(value: str) -> str:
    """`-` is standard input, `@file` a file, everything else the query itself."""
    if value == "-":
        return sys.stdin.read()
    if value.startswith("@") and len(value) > 1:
        return read_text(Path(value[1:]))
    return value


def seconds(value: str) -> float:
    """`90`, `90s`, `5m`, `1.5h`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", value.strip().lower())
    if not found or found[2] not in _UNITS:
        raise typer.BadParameter(f"{value!r} is no duration: write 90, 90s, 5m or 1h")
    return float(found[1]) * _UNITS[found[2]]


def ago(value: str) -> timedelta:
    return timedelta(seconds=seconds(value))


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
