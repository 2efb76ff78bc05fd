"""Answers with parts that are not there yet, that take long, or that never end."""

from __future__ import annotations

import asyncio
import io
import itertools
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from services.orchestrator.harness.src.agent_loop import AgentLoop
from services.orchestrator.harness.src.answers import Answering
from services.orchestrator.harness.src.call import call_entry
from services.orchestrator.harness.src.jsontext import NotJson
from services.orchestrator.harness.src.plan import Plan
from services.orchestrator.harness.src.time_budget import TimeBudget, TooSlow
from tests.unit.harness.lookalikes import a_class

LIMIT = 1 << 20


def answer_of(function: Any, **given: Any) -> tuple[Any, list[tuple[str, str]]]:
    """As the agent's process makes it."""
    loop = AgentLoop()
    try:
        answering = Answering(loop=loop, **given)
        plain = answering.json(call_entry(Plan(function, call="run()"), loop), LIMIT)
        return plain, [(note["path"], note["how"]) for note in answering.notes()]
    finally:
        loop.close()


async def work(text: str) -> str:
    await asyncio.sleep(0)
    return f"done {text}"


async def words() -> AsyncIterator[str]:
    yield "a"
    yield "b"


async def failing() -> None:
    raise ValueError("no")


async def endless() -> AsyncIterator[int]:
    while True:
        await asyncio.sleep(0.01)
        yield 1


async def with_a_task(*, done: bool) -> object:
    task = asyncio.get_running_loop().create_task(work("x"))
    if done:
        await task
    return {"task": task, "more": "kept"}


async def giving_a_coroutine() -> object:
    return work("x")


async def yielding_coroutines() -> AsyncIterator[Any]:
    yield work("1")
    yield {"in": [work("2")]}


PENDING: dict[str, tuple[Any, Any, tuple[str, str] | None]] = {
    "coroutine that gives a coroutine": (giving_a_coroutine, "done x", None),
    "in a list": (lambda: [work("1"), work("2")], ["done 1", "done 2"], ("answer[0]", "awaited, and 1 more")),
    "in a dictionary": (lambda: {"a": work("1")}, {"a": "done 1"}, ("answer['a']", "awaited")),
    "yielded": (lambda: iter([work("1"), {"a": work("2")}]), ["done 1", {"a": "done 2"}], ("answer[0]", "awaited")),
    "yielded asynchronously": (yielding_coroutines, ["done 1", {"in": ["done 2"]}], None),
    "that fails": (lambda: {"a": failing(), "b": 1}, {"a": "[ended with ValueError]", "b": 1}, None),
    "task that is done": (lambda: with_a_task(done=True), {"task": "done x", "more": "kept"}, None),
    "task that is not done": (lambda: with_a_task(done=False), {"task": "done x", "more": "kept"}, None),
    "asynchronous generator": (lambda: {"stream": words()}, {"stream": ["a", "b"]}, ("answer['stream']", "a list")),
    "asynchronous generator of coroutines": (lambda: [yielding_coroutines()], [["done 1", {"in": ["done 2"]}]], None),
}


@pytest.mark.parametrize("name", PENDING)
def test_what_is_not_there_yet_is_waited_for_in_the_loop_of_the_agent(name: str) -> None:
    function, answer, note = PENDING[name]
    plain, notes = answer_of(function)
    assert plain == answer
    assert note is None or note in notes


def late() -> str:
    time.sleep(0.05)
    return "late"


def test_futures_of_threads_are_waited_for_and_their_failures_told() -> None:
    failed: Future[object] = Future()
    failed.set_exception(ValueError("no"))
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(late)
        assert answer_of(lambda: {"a": pending, "b": failed})[0] == {"a": "late", "b": "ValueError: no"}
    assert answer_of(lambda: failed)[0] == "ValueError: no"


def test_a_strict_test_refuses_what_it_has_to_wait_for() -> None:
    answer = {"a": work("1")}
    with pytest.raises(NotJson, match=r"answer\['a'\] is a coroutine"):
        answer_of(lambda: answer, strict=True)
    assert answer_of(lambda: answer)[0] == {"a": "done 1"}, "it has not been waited for: the log can show it"
    with pytest.raises(NotJson, match=r"answer\['a'\] is a async_generator"):
        answer_of(lambda: {"a": words()}, strict=True)


class Sleeping:
    """Where it sleeps no line of Python is run that could be interrupted."""

    def __init__(self) -> None:
        self.asked = 0

    def to_dict(self) -> object:
        self.asked += 1
        time.sleep(8)
        return {}

    __repr__ = to_dict  # type: ignore[assignment]


def sleepy() -> Iterator[int]:
    yield 1
    time.sleep(8)


SLOW: dict[str, tuple[Any, Any]] = {
    "object": (Sleeping, "[tests.unit.harness.test_pending_answers.Sleeping: took too long]"),
    "generator": (sleepy, [1, "[cut: it took too long]"]),
    "coroutine": (lambda: asyncio.sleep(8), "[coroutine: took too long]"),
    "asynchronous generator": (endless, None),
    "future": (Future, "[concurrent.futures._base.Future: took too long]"),
    "lock": (lambda: (threading.Event().wait(8) for _ in range(1)), ["[cut: it took too long]"]),
}


@pytest.mark.parametrize("name", SLOW)
def test_what_takes_too_long_does_not_cost_the_rest_of_the_answer(name: str) -> None:
    make, mark = SLOW[name]
    plain, notes = answer_of(lambda: {"slow": make(), "answer": "A"}, seconds=0.4)
    assert plain["answer"] == "A"
    assert plain["slow"] == mark or plain["slow"][-1] == "[cut: it took too long]"
    assert any("it took too long" in how for _, how in notes)


def test_an_object_that_was_too_slow_is_not_asked_again() -> None:
    one, other = Sleeping(), Sleeping()
    budget = TimeBudget(0.3)
    answering = Answering()
    answering.budget = budget
    assert (
        answering.json([one, other], LIMIT) == ["[tests.unit.harness.test_pending_answers.Sleeping: took too long]"] * 2
    )
    assert (one.asked, other.asked) == (1, 0)


def test_the_handlers_and_timers_of_the_agent_stay_as_they_are() -> None:
    import signal

    before = signal.getsignal(signal.SIGALRM)
    budget = TimeBudget(0.2)
    budget.watch()
    with pytest.raises(TooSlow):
        budget.ask(time.sleep, 60)
    budget.stop()
    assert signal.getsignal(signal.SIGALRM) is before
    assert TimeBudget().ask(len, "abc") == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_task_that_will_not_end_is_left_behind() -> None:
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(8)
            except asyncio.CancelledError:
                continue

    tasks = []

    async def run() -> str:
        tasks.append(asyncio.get_running_loop().create_task(stubborn()))
        await asyncio.sleep(0)
        return "A"

    assert answer_of(run)[0] == "A"
    assert not tasks[0].done()


def test_tasks_end_as_they_like_when_the_agent_has_answered() -> None:
    said = []

    async def in_the_background() -> None:
        try:
            await asyncio.sleep(8)
        finally:
            await asyncio.sleep(0.01)
            said.append("ended")

    async def run() -> str:
        run.task = asyncio.get_running_loop().create_task(in_the_background())  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        return "A"

    assert answer_of(run)[0] == "A"
    assert said == ["ended"]


@pytest.mark.parametrize("count", [1, 3])
def test_iterators_without_an_end_leave_room_for_what_stands_beside_them(count: int) -> None:
    plain, _ = answer_of(lambda: {**{f"ids{n}": itertools.count() for n in range(count)}, "answer": "A"})
    assert plain["answer"] == "A"
    assert plain["ids0"][:3] == [0, 1, 2]
    assert plain["ids0"][-1].startswith("[cut: ")


@pytest.mark.parametrize(
    ("pieces", "answer", "how"),
    [
        ([b"A ", b"zebra"], "A zebra", "joined, as the UTF-8 text that they are"),
        (["\N{BLACK STAR}".encode()[:1], "\N{BLACK STAR}".encode()[1:]], "\N{BLACK STAR}", None),
        ([b"\xff", b"\x00"], "/wA=", "base64"),
        ([b"a", "b"], "YQ==b", "base64"),
        ([b"a", 1], ["YQ==", 1], "base64"),
    ],
)
def test_a_stream_of_bytes_is_joined_before_it_is_read(pieces: list[Any], answer: Any, how: str | None) -> None:
    plain, notes = answer_of(lambda: iter(pieces))
    assert plain == answer
    assert how is None or how in [told for _, told in notes]


def test_a_file_is_named_and_not_read() -> None:
    with open(__file__) as file:  # noqa: PTH123 - any file
        assert answer_of(lambda: {"log": file})[0] == {"log": f"[an open file: {__file__}]"}
        assert answer_of(lambda: file)[0] == f"[an open file: {__file__}]"
    assert answer_of(lambda: io.StringIO("text"))[0] == "text"


def test_a_group_of_exceptions_gives_each_of_them() -> None:
    group = ExceptionGroup("two failed", [ValueError("a"), KeyError("b")])
    assert answer_of(lambda: group)[0] == {
        "error": "ExceptionGroup: two failed",
        "exceptions": ["ValueError: a", "KeyError: 'b'"],
    }


STARLETTE = a_class("starlette.responses", "Response", render=lambda self, content: content)
WERKZEUG = a_class("werkzeug.wrappers.response", "Response", get_data=lambda self: self.data)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (STARLETTE(body=b'{"a": 1}'), {"a": 1}),
        (STARLETTE(body=b"plain text"), "plain text"),
        (STARLETTE(body=b"\xff"), "/w=="),
        (a_class("starlette.responses", "StreamingResponse", bases=(STARLETTE,))(), "[a response that is streamed]"),
        (STARLETTE(path="/work/x.pdf"), "[a response from the file /work/x.pdf]"),
        (WERKZEUG(data=b"[1]", is_streamed=False), [1]),
        (WERKZEUG(is_streamed=True), "[a response that is streamed]"),
        (a_class("django.http.response", "HttpResponseBase")(content=b"hi"), "hi"),
        (a_class("aiohttp.web_response", "Response")(body=b"hi"), "hi"),
    ],
)
def test_of_a_web_response_its_body_is_the_answer(response: object, answer: object) -> None:
    assert answer_of(lambda: response)[0] == answer
