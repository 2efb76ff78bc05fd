"""Pieces of output as the harness writes them."""

import json
from typing import Any

from tests.support.samples import line

NONCE = "nonce"


def written(seq: int, text: str = "", **changes: Any) -> bytes:
    return line(seq, text, **changes).model_dump_json().encode()


def partial(after: int, text: str = "so far", **changes: Any) -> bytes:
    told = {"partial": True, "ts": 5.0, "stream": "stdout", "level": "info", "text": text, "after": after}
    return json.dumps({**told, **changes}, separators=(",", ":")).encode()


def mark(name: str, **fields: Any) -> bytes:
    return json.dumps({"mark": name, "ts": 5.0, "nonce": NONCE, **fields}).encode()
