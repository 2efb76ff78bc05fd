"""The result object that the harness leaves: read strictly, because it passed through an untrusted place."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from shared.domain.failure import FailureCode
from shared.errors import Malformed


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class HarnessError(_Part):
    type: str = ""
    message: str = ""
    traceback: str = ""


class HarnessPhases(_Part):
    build_ms: float | None = None
    run_ms: float | None = None


class HarnessUsage(_Part):
    input_tokens: int = Field(0, ge=0, le=2**53)
    output_tokens: int = Field(0, ge=0, le=2**53)


class HarnessResult(_Part):
    """What the harness says about one attempt."""

    nonce: str
    success: bool
    code: FailureCode | None = None
    response: JsonValue = None
    error: HarnessError | None = None
    phases: HarnessPhases = Field(default_factory=HarnessPhases)
    cpu_s: float | None = Field(None, ge=0)
    peak_memory_bytes: int | None = Field(None, ge=0, le=2**62)
    usage: HarnessUsage | None = None
    lines: int = Field(0, ge=0)
    truncated: bool = False
    exit_code: int | None = None
    signal: int | None = None

    @property
    def response_json(self) -> str:
        """The answer as JSON text, as it is stored and handed on."""
        return json.dumps(self.response, ensure_ascii=False, separators=(",", ":"))


def read_result(raw: bytes, *, nonce: str) -> HarnessResult:
    """The result in `raw`. Raises Malformed where it is not one, or not from our harness (another nonce)."""
    try:
        fields = json.loads(raw)
        result = HarnessResult.model_validate({**fields, "success": fields.get("outcome") == "success"})
    except (ValidationError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(f"The result object cannot be read: {error}") from error
    if result.nonce != nonce:
        raise Malformed("The result object is not from the harness: its nonce is another one.")
    return result
