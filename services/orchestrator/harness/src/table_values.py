"""Tables, arrays and images, as lists and text; none of their packages is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.kinds import UNFIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

MOST_ROWS = 200_000  # taken of a table or an array: more than any answer holds


class Each:
    """Values to be taken one by one, as far as there is room; `total` of them, where that is known."""

    def __init__(self, values: Iterable[Any], total: int | None = None) -> None:
        self.values = values
        self.total = total


class EachOfAStream:
    """Values that an asynchronous iteration gives, to be taken in the agent's loop."""

    def __init__(self, values: Any) -> None:
        self.values = values


class Later:
    """A value that has to be waited for: `get` takes the agent's loop, or None; it gives UNFIT where it needs one."""

    def __init__(self, get: Callable[[Any], Any]) -> None:
        self.get = get


def table_rows(value: Any) -> object:
    """A pandas DataFrame as a list of objects; an index that says something becomes a column."""
    total = len(value)
    value = value.head(max(1, MOST_ROWS * 10 // max(1, len(value.columns))))
    if type(value.index).__name__ != "RangeIndex":
        value = value.reset_index()
    if len(set(value.columns)) != len(value.columns):  # names that come twice would be lost in an object
        return {"columns": value.columns.tolist(), "rows": value.values.tolist()}
    return Each(value.to_dict("records"), total)


def series(value: Any) -> object:
    total = len(value)
    value = value.head(MOST_ROWS)
    if type(value.index).__name__ == "RangeIndex" or not value.index.is_unique:
        return Each(value.tolist(), total)
    return {key: value.iloc[place] for place, key in enumerate(value.index.tolist())}


def array(value: Any) -> object:
    """Of numpy, torch, jax, array: numbers as numbers; times, which numpy would give as integers, as text."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind in ("M", "m"):
        value = value.astype(str)
    if not getattr(value, "shape", (1,)):
        found = value.tolist()
        return UNFIT if type(found) is type(value) else found  # of a precision that Python has not
    total = len(value)
    size = getattr(value, "size", total)
    size = size if isinstance(size, int) else value.numel()
    if size > MOST_ROWS * 10:
        value = value[: max(1, total * MOST_ROWS * 10 // size)]
    return Each(value.tolist(), total)


def scalar(value: Any) -> object:
    """Of numpy. Its times are text: as an integer nobody knows in which unit they are."""
    if value.dtype.kind in ("M", "m"):
        text = str(value)
        return None if text == "NaT" else text
    found = value.item()
    return UNFIT if type(found) is type(value) else found  # of a precision that Python has not


def base64(value: Any) -> str:
    from binascii import b2a_base64

    return b2a_base64(bytes(value), newline=False).decode("ascii")


def picture(value: Any) -> str:
    """An image of PIL or a figure of matplotlib as the base64 of a PNG."""
    from io import BytesIO

    data = BytesIO()
    (value.savefig if hasattr(type(value), "savefig") else value.save)(data, format="PNG")
    return base64(data.getvalue())
