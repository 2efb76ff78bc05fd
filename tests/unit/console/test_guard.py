import asyncio

from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from services.console.guard import Guard

SCOPE = {
    "type": "http",
    "method": "GET",
    "path": "/",
    "scheme": "http",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
}


async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise OSError("the connection broke")


async def said_of(*, gone: bool) -> tuple[list[tuple[str, str]], bool]:
    """What the guard logs of an answer that fails on its way, and whether it raises."""

    async def receive() -> Message:
        if not gone:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        pass

    raises = False
    with capture_logs() as logs:
        try:
            await Guard(breaks, hosts={"localhost"}, origin="", finish=lambda *_: None)(dict(SCOPE), receive, send)
        except OSError:
            raises = True
    return [(one["event"], one["log_level"]) for one in logs], raises


async def test_what_fails_after_the_browser_has_gone_is_no_fault() -> None:
    assert await said_of(gone=True) == ([("browser_gone", "info")], False)


async def test_what_fails_while_the_browser_waits_is_one() -> None:
    assert await said_of(gone=False) == ([("request_failed", "error")], True)
