"""What TEST means on the command line: an id, or `last`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.errors import NotFound

if TYPE_CHECKING:
    from assay.client import AsyncAssay


async def test_id(client: AsyncAssay, name: str) -> str:
    """Raises NotFound when `last` is asked for and there is none."""
    if name != "last":
        return name
    async for test in client.list(limit=1, page_size=1, own=True, include_archived=True):
        return test.id
    raise NotFound("You have no tests yet.", code="NOT_FOUND")
