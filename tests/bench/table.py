"""`python -m tests.bench.table FILE`: the lines of a run as the Markdown table of docs/performance.md."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.bench.figures import KINDS

_VERDICTS: Mapping[bool | None, str] = {True: "met", False: "**missed**", None: ""}


def rows(lines: list[dict[str, Any]]) -> Iterator[str]:
    """In the order of the catalogue; figures that the run left out are missing here, too."""
    measured = {line["figure"]: line for line in lines if "figure" in line}
    yield "| Figure | What it is | Measured | Goal | Floor | Ratio | |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, kind in KINDS.items():
        if line := measured.get(name):
            value, floor, ratio = (_number(line[field]) for field in ("value", "floor", "ratio"))
            cells = (f"`{name}`", kind.meaning, f"{value} {kind.unit}", line["goal"] or "", floor, ratio)
            yield f"| {' | '.join(cells)} | {_VERDICTS[line['met']]} |"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    print("\n".join(rows([json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()])))
