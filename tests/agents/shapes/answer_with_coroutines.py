# answer: {"parts": ["done how", "done are you?"], "stream": ["a", "b"], "task": "done task"}
# call: "run(query)"
"""What is not awaited where it is made."""

import asyncio


async def work(text):
    await asyncio.sleep(0)
    return f"done {text}"


async def words():
    yield "a"
    yield "b"


async def run(query):
    first, _, rest = query.partition(" ")
    return {"parts": [work(first), work(rest)], "stream": words(), "task": asyncio.ensure_future(work("task"))}
