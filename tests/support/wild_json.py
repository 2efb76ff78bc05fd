"""JSON as nobody would write it: what is valid, with values, keys, depth and bytes changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any, Final

from hypothesis import strategies as st

_RAW: Final = {
    "@deep list@": "[" * 5_000 + "]" * 5_000,
    "@deep object@": '{"a":' * 3_000 + "1" + "}" * 3_000,
    "@open@": "[" * 200_000,
    "@too large a float@": "1e999",
    "@many digits@": "9" * 5_000,
    "@minus@": "-",
    "@no hex@": '"\\uZZZZ"',
    "@control@": '"\x01"',
}
"""What no Python value is written as."""
WILD: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, 2, 10, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30),
    *(0.5, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf")),
    *(
        "",
        " ",
        "\x00",
        "\ud800",
        "\udfff\ud800",
        "\u202e",
        "\U0001f4a9",
        "a" * 300,
        "9" * 400,
        "true",
        "-1",
        "1e5",
        "NaN",
    ),
    *("../..", "$ne", "a.b", "*", ">", "0000-00-00", "9999-12-31T23:59:59Z", "2020-01-01", "2020-01-01T00:00:00+99:00"),
    *([], {}, [[]], [None], {"": None}, {"$gt": ""}, {"__class__": "x"}, [1, "a", {}], [0] * 200),
    *_RAW,
)


@st.composite
def wild_json(draw: st.DrawFn, valid: Mapping[str, Any]) -> bytes:
    """The bytes of this object with up to four things of it changed, and sometimes some of the bytes."""
    value: Any = copy.deepcopy(dict(valid))
    for _ in range(draw(st.integers(0, 4))):
        value = _changed(draw, value)
    text = json.dumps(value, ensure_ascii=draw(st.booleans()), separators=(",", ":"))
    for name, raw in _RAW.items():
        text = text.replace(f'"{name}"', raw)
    data = text.encode("utf-8", "surrogatepass")
    return draw(changed_bytes(data)) if draw(st.integers(0, 3)) == 0 else data


def _changed(draw: st.DrawFn, value: Any) -> Any:
    """Goes down to one place, and changes it."""
    wild = st.sampled_from(WILD).map(copy.deepcopy)
    if isinstance(value, dict) and value and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(value)))
        match draw(st.sampled_from(("down", "down", "down", "out", "more", "again"))):
            case "down":
                value[key] = _changed(draw, value[key])
            case "out":
                del value[key]
            case "more":
                value[draw(st.sampled_from(("unknown", "", "$set", key.upper(), "\ud800", "__proto__")))] = draw(wild)
            case _:
                value[key] = [value[key], value[key]]
        return value
    if isinstance(value, list) and value and draw(st.integers(0, 9)):
        place = draw(st.integers(0, len(value) - 1))
        value[place] = _changed(draw, value[place])
        return value
    if isinstance(value, int) and not isinstance(value, bool) and draw(st.booleans()):
        return value + draw(st.integers(-3, 3))
    return draw(wild)


@st.composite
def changed_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    """With some bytes changed, left out, doubled or added; or cut off."""
    found = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(found)))
        match draw(st.sampled_from(("change", "cut", "add", "double", "end"))):
            case "change" if place < len(found):
                found[place] = draw(st.integers(0, 255))
            case "cut":
                del found[place : place + draw(st.integers(1, 12))]
            case "double":
                found[place:place] = found[place : place + draw(st.integers(1, 40))]
            case "add":
                found[place:place] = draw(st.binary(min_size=1, max_size=12))
            case "end":
                del found[place:]
            case _:
                pass
    return bytes(found)
