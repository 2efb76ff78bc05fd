"""A project: a package and a template beside the agent's file, a table handed in, a report handed back."""

from __future__ import annotations

import csv
from pathlib import Path

from report.summary import summed_up

TEMPLATE = Path(__file__).parent / "prompts" / "report.txt"


def run(query: str) -> dict[str, object]:
    with Path("/work/in/prices.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    found = summed_up(rows, query)
    print(f"{len(rows)} prices read, {found['count']} of them for {query!r}")
    report = TEMPLATE.read_text(encoding="utf-8").format(query=query, **found)
    Path("/work/out/report.md").write_text(report, encoding="utf-8")
    return found
