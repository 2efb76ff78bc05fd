"""The SDK's values as plain JSON values, by one rule for all of them. Owns that rule and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any


def plain(value: object) -> Any:
    """Times become ISO 8601 text in UTC, durations seconds in fields that end in `_s`, `*_json` fields are decoded."""
    if is_dataclass(value) and not isinstance(value, type):
        return dict(_entry(name.name, getattr(value, name.name), str(name.type)) for name in fields(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def _entry(name: str, value: object, kind: str) -> tuple[str, Any]:
    if name.endswith("_json"):
        return name.removesuffix("_json"), _decoded(value) if isinstance(value, str) and value else None
    # By the declared type, so that the name of a field does not depend on whether it has a value.
    return (f"{name}_s" if "timedelta" in kind else name), plain(value)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or deeper than Python goes: the text itself says what there was
        return text
