# query: "{\"topic\": \"tea\"}"
# answer: "tea"
# call: "run(json(query))"
"""A parameter that wants an object, by its annotation."""
from __future__ import annotations

from typing import Any


def run(inputs: dict[str, Any]) -> str:
    return inputs["topic"]
