"""What an agent gives piece by piece: generators, iterators and streams of model clients, which are consumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.answers import ROOM, Answering
from services.orchestrator.harness.src.conversion_notes import unwarned
from services.orchestrator.harness.src.conversions import Fields, is_of_the_agent, public_attributes
from services.orchestrator.harness.src.framework_answers import nothing_but_chunks
from services.orchestrator.harness.src.jsontext import to_json
from services.orchestrator.harness.src.kinds import UNFIT, Kind, at, is_a
from services.orchestrator.harness.src.pending_values import Collected, all_awaited
from services.orchestrator.harness.src.usage import usage_of

if TYPE_CHECKING:
    from typing import Any

NO_STREAM = {"read", "fileno", "__len__", "__getitem__", "__subclasscheck__"}  # files and collections
# Objects that hold a stream, the method that gives it, and where its events have what the model says. The object itself
# is the answer when the stream has ended.
HOLDERS = ((is_a("agents", "RunResultStreaming"), "stream_events", "data"),)
# Last pieces of a stream that are all of the answer.
WHOLE_ANSWERS = (
    is_a("autogen_agentchat", "TaskResult", "Response"),
    is_a("smolagents", "FinalAnswerStep"),
    is_a("pydantic_ai", "AgentRunResultEvent"),
)


def is_stream(value: object) -> bool:
    """An iterator, or an object that can be iterated and closed and is no collection. No object of the agent with
    attributes, which say more than its iteration."""
    kind = Kind(type(value))
    if "__next__" in kind.attributes:
        return not kind.attributes & NO_STREAM and not _is_known(kind)
    if kind.attributes.issuperset({"__iter__", "close"}) and not kind.attributes & NO_STREAM and not _is_known(kind):
        return not (is_of_the_agent(kind) and isinstance(public_attributes(value), Fields))
    return False


def is_async_stream(value: object) -> bool:
    kind = Kind(type(value))
    return "__aiter__" in kind.attributes and not kind.attributes & NO_STREAM and not _is_known(kind)


async def consume_inside(value: object) -> bool:
    """Consumes the stream that an object holds, and says whether it holds one."""
    kind = Kind(type(value))
    for applies, method, path in HOLDERS:
        if applies(kind):
            yields = Yields()
            async for event in getattr(value, method)():
                piece = at(event, path)
                if piece is not UNFIT:
                    yields.take(piece)
            yields.end_line()
            return True
    return False


def _is_known(kind: Kind) -> bool:
    """A mock answers to every name; the result of an HTTP request is more than its bytes."""
    return "unittest" in kind.roots or is_a("requests", "Response")(kind) or is_a("httpx", "Response")(kind)


class Yields:
    """Takes the pieces. Each is a line of the log at once, except for the pieces of a text, which make one line."""

    def __init__(self, loop: Any = None) -> None:
        self.answering = Answering(loop=loop)
        self.raw: bytearray | None = bytearray()  # as long as all pieces are bytes
        self.values: list[object] = []
        self.left_out = 0
        self.usage: object = None
        self.within_line = False
        self.whole: Collected | None = None

    def take(self, item: Any) -> None:
        if self.raw is not None:
            if type(item) in (bytes, bytearray):
                self.raw += item[: max(0, ROOM - len(self.raw))]
                self.left_out += len(self.raw) >= ROOM
                print(item.decode("utf-8", "backslashreplace"), flush=True)
                return
            self._take_apart_from_bytes()
        value = unwarned(lambda: self.answering.plain(item, ((), len(self.values), False)))
        text = value if isinstance(value, str) else to_json(value)
        if isinstance(value, str) and not isinstance(item, str) and _is_piece(item):
            print(text, end="", flush=True)
            self.within_line = not text.endswith("\n") if text else self.within_line
        else:
            self.end_line()
            print(text, flush=True)
        if self.answering.room >= 0:
            self.values.append(value)
        else:
            self.left_out += 1
        if not isinstance(item, (str, int, float)):
            self.usage = usage_of(item, None) or self.usage
            self.whole = _whole(item)

    def _take_apart_from_bytes(self) -> None:
        raw, self.raw = self.raw, None
        if raw:  # bytes and other values are a list
            self.values.append(self.answering.plain(bytes(raw), ((), len(self.values), False)))

    def _joined_bytes(self, raw: bytes) -> Collected:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            return Collected(self.answering.plain(raw), self.answering)
        self.answering.note((), bytes, "joined, as the UTF-8 text that they are")
        if self.left_out:
            text = f"{text} [cut: there is more]"
        return Collected(text, self.answering)

    def end_line(self) -> None:
        if self.within_line:
            print(flush=True)
            self.within_line = False

    def joined(self) -> Collected:
        """Text is joined, other values are a list; where the last piece is the whole answer, it is that."""
        self.end_line()
        if self.raw:
            return self._joined_bytes(bytes(self.raw))
        if self.whole is not None:
            return self.whole
        if self.values and all(isinstance(value, str) for value in self.values):
            plain: object = "".join(value for value in self.values if isinstance(value, str))
        else:
            plain = self.values
        if self.left_out and isinstance(plain, list):
            plain.append(f"[cut: {self.left_out:,} more]")
        elif self.left_out:
            plain = f"{plain} [cut: {self.left_out:,} more pieces]"
        return Collected(plain, self.answering, self.usage)


def _is_piece(item: object) -> bool:
    return type(item).__name__.endswith(("Chunk", "Event", "Delta")) or nothing_but_chunks(Kind(type(item)))


def _whole(item: Any) -> Collected | None:
    """The answer, where this piece is all of it."""
    kind, last = Kind(type(item)), item
    if type(item) is dict and len(item) == 1:
        last = item.get("result")  # the last event of strands' stream_async
        if not is_a("strands", "AgentResult")(Kind(type(last))):
            return None
    elif not any(applies(kind) for applies in WHOLE_ANSWERS):
        return None
    answering = Answering()
    return Collected(answering.plain(last), answering, usage_of(last, None))


def collected(stream: Any, loop: Any = None) -> object:
    """Consumes it. What a generator returns is the answer; where it returns nothing, all that it gave. `loop`: an
    AgentLoop, which is not running, for coroutines that it gives."""
    yields = Yields(loop)
    iterator = iter(stream)
    try:
        while True:
            yields.take(next(iterator))
    except StopIteration as end:
        return yields.joined() if end.value is None else end.value
    finally:
        yields.end_line()


async def collected_async(stream: Any) -> object:
    yields = Yields()
    try:
        async for item in stream:
            yields.take(await all_awaited(item))
    finally:
        yields.end_line()
    return yields.joined()
