"""Values of Python's own library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.kinds import Kind, is_a, part
from services.orchestrator.harness.src.naming import type_name

if TYPE_CHECKING:
    from typing import Any


def moment(value: Any) -> object:
    """ISO 8601 as pydantic writes it: UTC is Z. Nothing for pandas' NaT."""
    text = value.isoformat()
    if text == "NaT":
        return None
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def period(value: Any) -> str:
    """ISO 8601, as pydantic writes it: P1DT2H, PT0.5S, -P1D, P1Y for 365 days."""
    micros = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    seconds, micros = divmod(micros, 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    fraction = f".{micros:06}".rstrip("0") if micros else ""
    time = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M")) if count)
    time += f"{seconds}{fraction}S" if seconds or fraction else ""
    years, days = divmod(days, 365)
    day = (f"{years}Y" if years else "") + (f"{days}D" if days else "")
    return f"{sign}P{day}T{time}" if time else f"{sign}P{day or 'T0S'}"


def error(value: BaseException) -> str:
    text = str(value)
    return f"{type_name(type(value))}: {text}" if text else type_name(type(value))


def group_of_errors(value: Any) -> object:
    """Of an ExceptionGroup: what it says, and each of its exceptions."""
    return {"error": f"{type_name(type(value))}: {value.message}", "exceptions": list(value.exceptions)}


def file_mark(value: Any) -> str:
    """It may be endless, or be read by somebody else."""
    name = part(value, "name")
    return f"[an open file: {name}]" if isinstance(name, (str, int)) else "[an open file]"


def is_a_file(kind: Kind) -> bool:
    return kind.attributes >= {"read", "close"} and (
        is_a("_io", "_IOBase")(kind) or is_a("tempfile", "_TemporaryFileWrapper", "SpooledTemporaryFile")(kind)
    )
