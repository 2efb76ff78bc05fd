"""Errors as people read them: what is wrong, and what to do about it. On standard error, never among the results."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from assay.cli.jsontext import json_text
from assay.cli.text import safe, span
from assay.errors import (
    AssayError,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unauthenticated,
    Unavailable,
)

if TYPE_CHECKING:
    from assay.connection import Connection


def complain(error: Exception, connection: Connection | None, *, as_json: bool) -> None:
    if as_json:
        print(json_text({"error": _as_json(error)}), file=sys.stderr)
        return
    first, *rest = map(safe, _sentences(error, connection))  # whatever is in them, each stays one line
    print(f"error: {first}", file=sys.stderr)
    for line in rest:
        print(f"  {line}", file=sys.stderr)


def _sentences(error: Exception, connection: Connection | None) -> Iterator[str]:
    match error:
        case Unavailable() if error.reason:  # said by a server
            yield safe(error.message)
            if connection is not None:
                yield f"(by the server at {connection.address})"
        case Unavailable() if connection is not None:
            told_by = "--address" if connection.source == "arguments" else connection.source
            yield f"no Assay server answers at {connection.address} (known from {told_by})"
            yield "Start one with `assay dev`, or say where it is with --address or ASSAY_ADDRESS."
            yield f"({safe(error.message)})"
        case InvalidRequest() if error.violations:
            yield "the server refuses this:"
            width = max(len(violation.field) for violation in error.violations)
            for violation in error.violations:
                yield f"{safe(violation.field):<{width}}  {safe(violation.description)}"
        case RateLimited():
            yield safe(error.message)
            yield from (safe(quota.description) for quota in error.quotas if quota.description not in error.message)
            if error.retry_after is not None:
                yield f"Try again in {span(error.retry_after)}."
        case Unauthenticated():
            yield safe(error.message)
            key = "The key that was sent is not accepted." if connection and connection.api_key else "No key was sent."
            yield f"{key} Give yours by ASSAY_API_KEY."
        case PermissionDenied() | NotFound() | AssayError():
            yield safe(error.message)
        case ValueError() if "\n" in str(error):
            yield from (safe(line) for line in str(error).splitlines())
        case OSError() if error.filename:
            yield f"{error.filename}: {error.strerror}"
        case _:
            yield safe(str(error))


def _as_json(error: Exception) -> dict[str, Any]:
    if not isinstance(error, AssayError):
        return {"code": "USAGE", "message": str(error)}
    said: dict[str, Any] = {"code": error.code or type(error).__name__, "message": error.message}
    if error.reason:
        said["reason"] = error.reason
    if error.details.metadata:
        said["metadata"] = dict(error.details.metadata)
    if error.details.fields:
        said["violations"] = [{"field": v.field, "description": v.description} for v in error.details.fields]
    if error.details.quotas:
        said["quotas"] = [{"subject": q.field, "description": q.description} for q in error.details.quotas]
    if error.details.retry_after is not None:
        said["retry_after_s"] = error.details.retry_after.total_seconds()
    return said
