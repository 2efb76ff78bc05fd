"""The result object that the harness leaves: read strictly, because it passed through an untrusted place."""

from __future__ import annotations

import json
import re
from typing import Annotated, Final, NoReturn, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.domain.failure import FailureCode
from shared.errors import Malformed


def _storable(text: object) -> object:
    """Nothing where there is no text; half a surrogate pair, which no encoding has, becomes a question mark."""
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else "" if text is None else text


_PIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}==[A-Za-z0-9][A-Za-z0-9._+!-]{0,99}")
_PYTHON: Final = re.compile(r"[0-9]+(\.[0-9]+){1,2}")
_MOST_PINS: Final = 2000
_MOST_WORDS: Final = 100


def _pins(given: object) -> list[str]:
    """What reads as `name==version`; the rest is left out, for an answer is worth more than this list."""
    lines = given[:_MOST_PINS] if isinstance(given, list) else []
    return [line for line in lines if isinstance(line, str) and _PIN.fullmatch(line)]


def _version(given: object) -> str:
    return given if isinstance(given, str) and _PYTHON.fullmatch(given) else ""


def _short(most: int) -> BeforeValidator:
    """Text of at most so many characters, on one line."""

    def cut(given: object) -> str:
        text = str(_storable(given)) if isinstance(given, str) else ""
        return " ".join(text.split())[:most]

    return BeforeValidator(cut)


_Text = Annotated[str, BeforeValidator(_storable)]
_Milliseconds = Annotated[float, Field(ge=0, le=1e12)]
_Sha256: Final = r"^[0-9a-f]{64}$"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class HarnessError(_Part):
    type: _Text = ""
    message: _Text = ""
    traceback: _Text = ""
    hint: Annotated[str, _short(500)] = ""
    """What to do, where the harness knows better than what is usual for the code."""


class HarnessPhases(_Part):
    build_ms: _Milliseconds | None = None
    run_ms: _Milliseconds | None = None


class HarnessUsage(_Part):
    input_tokens: int = Field(0, ge=0, le=2**53)
    output_tokens: int = Field(0, ge=0, le=2**53)


class HarnessEntry(_Part):
    """What of the agent's code was called, and how."""

    name: Annotated[str, _short(200), Field(min_length=1)]
    kind: Annotated[str, _short(50)] = ""
    signature: Annotated[str, _short(500)] = ""
    call: Annotated[str, _short(300)] = ""
    query_passed: bool
    named: bool = False
    candidates: list[Annotated[str, _short(200)]] = Field(default_factory=list, max_length=20)


class HarnessConversion(_Part):
    """A value of the answer that was not plain JSON."""

    path: Annotated[str, _short(300), Field(min_length=1)]
    type: Annotated[str, _short(200)]
    how: Annotated[str, _short(300)]


class HarnessFile(_Part):
    """A file that the agent left behind; whoever keeps it checks its content against this."""

    path: str = Field(min_length=1, max_length=1024)
    size: int = Field(ge=0, le=2**40)
    sha256: str = Field(pattern=_Sha256)
    executable: bool = False


_P = TypeVar("_P", bound=_Part)


def _one(kind: type[_P]) -> BeforeValidator:
    """Nothing where it is not of this shape: no answer is lost for a note that goes with it."""
    return BeforeValidator(lambda given: _read(kind, given))


def _some(kind: type[_P], most: int) -> BeforeValidator:
    """Those that are of this shape."""

    def read(given: object) -> list[_P]:
        parts = [_read(kind, one) for one in (given[:most] if isinstance(given, list) else [])]
        return [part for part in parts if part is not None]

    return BeforeValidator(read)


def _read(kind: type[_P], given: object) -> _P | None:
    try:
        return kind.model_validate(given)
    except (ValidationError, ValueError, RecursionError):
        return None


def _words(given: object) -> list[str]:
    lines = given[:_MOST_WORDS] if isinstance(given, list) else []
    return [" ".join(str(_storable(line)).split())[:500] for line in lines if isinstance(line, str)]


class HarnessResult(_Part):
    """What the harness says about one attempt."""

    nonce: str
    """Empty where the harness could not read its context, which has it: that is believed, it says nothing good."""
    success: bool
    code: FailureCode | None = None
    response_json: str = "null"
    """The answer as JSON text, as it is stored and handed on."""
    error: HarnessError | None = None
    phases: HarnessPhases = Field(default_factory=HarnessPhases)
    cpu_s: float | None = Field(None, ge=0, le=1e9)
    peak_memory_bytes: int | None = Field(None, ge=0, le=2**62)
    usage: HarnessUsage | None = None
    lines: int = Field(0, ge=0, le=2**53)
    truncated: bool = False
    exit_code: int | None = Field(None, ge=-(2**31), lt=2**31)
    signal: int | None = Field(None, ge=-(2**31), lt=2**31)
    resolved: Annotated[list[str], BeforeValidator(_pins)] = Field(default_factory=list)
    """`name==version` of everything that was installed for the agent."""
    built_from_source: Annotated[list[str], BeforeValidator(_pins)] = Field(default_factory=list)
    """Those of them that were compiled for it, as no wheel was there."""
    python: Annotated[str, BeforeValidator(_version)] = ""
    entry: Annotated[HarnessEntry | None, _one(HarnessEntry)] = None
    conversions: Annotated[list[HarnessConversion], _some(HarnessConversion, 100)] = Field(default_factory=list)
    outputs: Annotated[list[HarnessFile], _some(HarnessFile, 1000)] = Field(default_factory=list)
    """In the order of their content, which is one piece."""
    outputs_left_out: Annotated[list[str], BeforeValidator(_words)] = Field(default_factory=list)
    """Why files were not kept."""


def read_result(raw: bytes, *, nonce: str) -> HarnessResult:
    """The result in `raw`. Raises Malformed where it is not one, or not from our harness (another nonce)."""
    try:
        fields = json.loads(raw, parse_constant=_refuse)
        success = fields.get("outcome") == "success"
        # Written anew here and not when it is stored: whatever cannot be stored must be noticed now.
        answer = json.dumps(fields.get("response"), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        answer.encode()
        if not success and fields.get("code") == FailureCode.CONTEXT_UNAVAILABLE:
            fields.setdefault("nonce", "")
        result = HarnessResult.model_validate({**fields, "success": success, "response_json": answer})
    except (ValidationError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(f"The result object cannot be read: {error}"[:500]) from error
    if result.nonce != nonce and not (result.nonce == "" and result.code is FailureCode.CONTEXT_UNAVAILABLE):
        raise Malformed("The result object is not from the harness: its nonce is another one.")
    return result


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
