import asyncio
from collections.abc import AsyncGenerator

from starlette.types import Message

from services.console.files.attachment import attachment


async def test_what_a_download_holds_open_is_let_go_in_its_own_task_when_the_browser_goes() -> None:
    closed_in: list[asyncio.Task[None] | None] = []
    opened_in: list[asyncio.Task[None] | None] = []
    sent = asyncio.Event()

    async def content() -> AsyncGenerator[bytes, None]:
        opened_in.append(asyncio.current_task())
        try:
            while True:
                yield b"x"
        finally:
            closed_in.append(asyncio.current_task())

    async def send(message: Message) -> None:
        if message.get("body"):
            sent.set()
            await asyncio.Event().wait()  # a browser that takes nothing

    async def receive() -> Message:
        await sent.wait()
        return {"type": "http.disconnect"}

    held = content()  # a reference of its own: nothing is closed for want of one
    await attachment(held, "a.bin")({"type": "http"}, receive, send)
    assert closed_in == opened_in
    assert len(closed_in) == 1
