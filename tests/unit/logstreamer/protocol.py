"""Pieces of output as the harness writes them."""

import json
from typing import Any

from tests.support.samples import line

NONCE = "nonce"


def written(seq: int, text: str = "", **changes: Any) -> bytes:
    return line(seq, text, **changes).model_dump_json().encode()


def mark(name: str, **fields: Any) -> bytes:
    return json.dumps({"mark": name, "ts": 5.0, "nonce": NONCE, **fields}).encode()
