"""From values to the text of files. Every piece of user text in a package goes through one of these."""

from __future__ import annotations

import json
from typing import Any


def json_file(value: Any) -> bytes:
    """JSON for people and programs. Pure ASCII, so that no editor, terminal or locale changes anything in it."""
    return (json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False) + "\n").encode("ascii")
