"""The shapes that agents have, each a file with the right outcome in the comments at its top.

`# key: JSON`: `query` (left out: "how are you?"; null: none), `entrypoint`, `needs` (a package), and what is right:
`answer`, or `code` with a part of the `message`, the `hint` and the `traceback`; and of the entry `call`, `kind`,
`signature`, `candidates`, `query_passed`. A shape that is not here is one file more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHAPES = Path(__file__).parent / "shapes"
QUERY = "how are you?"


@dataclass(frozen=True)
class Shape:
    """One file."""

    name: str
    code: str
    right: Mapping[str, Any] = field(repr=False)

    @property
    def query(self) -> str | None:
        query: str | None = self.right.get("query", QUERY)
        return query

    @property
    def entrypoint(self) -> str | None:
        return self.right.get("entrypoint")

    @property
    def needs(self) -> str:
        return str(self.right.get("needs", ""))

    def check(self, result: Mapping[str, Any]) -> None:
        """Holds the result object of the harness against what is right."""
        right, entry = self.right, result["entry"] or {}
        if "code" in right:
            assert result["code"] == right["code"], (result["code"], result["response"], result["error"])
            assert right["message"] in result["error"]["message"]
            assert right.get("hint", "") in result["error"]["hint"]
            if "traceback" in right:
                assert result["error"]["traceback"] == right["traceback"]
            if right["code"] == "QUERY_NOT_ACCEPTED":
                assert entry["query_passed"] is (entry["call"] != "")
            return
        assert result["outcome"] == "success", (result["code"], result["error"])
        assert result["response"] == right["answer"]
        assert entry["query_passed"] is right.get("query_passed", True)
        assert entry["named"] is ("entrypoint" in right)
        for name in ("call", "kind", "signature", "candidates"):
            if name in right:
                assert entry[name] == right[name], name


def shapes() -> dict[str, Shape]:
    found = {}
    for path in sorted(SHAPES.glob("*.py")):
        code = path.read_text("utf-8")
        right = {}
        for line in code.splitlines():
            if not line.startswith("# "):
                break
            key, _, value = line[2:].partition(": ")
            right[key] = json.loads(value)
        found[path.stem] = Shape(path.stem, code, right)
    return found
