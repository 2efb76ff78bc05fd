"""What the report says about prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def summed_up(rows: Sequence[Mapping[str, str]], what: str) -> dict[str, object]:
    """How many prices there are of one product, and the lowest and the highest of them."""
    prices = [float(row["price"]) for row in rows if row["product"] == what]
    if not prices:
        raise LookupError(f"no price of {what!r} among {len(rows)}")
    return {"count": len(prices), "lowest": min(prices), "highest": max(prices)}
