"""An async generator: thinks aloud. Each `yield` is a line of the log at once, and all of them together are the answer.

No requirements. This is the shape of an agent that streams tokens or steps.
"""

import asyncio
from collections.abc import AsyncIterator

NUMBERS = ("one", "two", "three", "four", "five")


async def run(query: str) -> AsyncIterator[dict]:
    """Count to five, slowly enough to watch."""
    yield {"step": "understand", "thought": f"I was asked: {query}"}
    for number, word in enumerate(NUMBERS, start=1):
        await asyncio.sleep(0.3)
        print(f"DEBUG: {len(NUMBERS) - number} to go")
        yield {"step": "count", "number": number, "word": word}
    yield {"step": "answer", "answer": f"I counted to {len(NUMBERS)}."}
