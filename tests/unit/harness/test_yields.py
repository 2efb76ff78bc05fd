"""Answers that come piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from services.orchestrator.harness.src.answers import Answering
from services.orchestrator.harness.src.usage import usage_of
from services.orchestrator.harness.src.yields import (
    collected,
    collected_async,
    consume_inside,
    is_async_stream,
    is_stream,
)
from tests.unit.harness.lookalikes import STRANDS, a_class, an_object, openai_stream


def answer_of(value: object) -> Any:
    return Answering().json(value, 1 << 20)


def numbers() -> Iterator[int]:
    yield 1
    yield 2


def returning() -> Any:
    yield "thinking"
    return {"answer": 42}


def test_the_pieces_of_a_stream_are_one_text_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    stream = openai_stream()
    assert is_stream(stream)
    value = collected(stream)
    assert answer_of(value) == "Paris is it."
    assert capsys.readouterr().out == "Paris is it.\n"
    assert usage_of(value, None) == {"input_tokens": 7, "output_tokens": 5}


def test_an_async_stream_is_consumed_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    async def pieces(self: object) -> AsyncIterator[Any]:
        for piece in openai_stream():
            yield piece

    stream = a_class("openai", "AsyncStream", __aiter__=pieces, close=lambda self: None)()
    assert is_async_stream(stream)
    assert answer_of(asyncio.run(_collected(stream))) == "Paris is it."
    assert capsys.readouterr().out == "Paris is it.\n"


async def _collected(stream: object) -> object:
    return await collected_async(stream)


def test_each_yield_is_a_line_and_all_of_them_are_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer_of(collected(numbers())) == [1, 2]
    assert answer_of(collected(iter(["a", "b"]))) == "ab"
    assert capsys.readouterr().out == "1\n2\na\nb\n"


def test_what_a_generator_returns_is_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer_of(collected(returning())) == {"answer": 42}
    assert capsys.readouterr().out == "thinking\n"


def test_a_state_that_is_yielded_again_and_again_is_kept_as_it_was_each_time() -> None:
    def states() -> Any:
        state: dict[str, int] = {}
        for step in range(3):
            state["step"] = step
            yield state

    assert answer_of(collected(states())) == [{"step": 0}, {"step": 1}, {"step": 2}]


@pytest.mark.parametrize(
    "last",
    [
        an_object(
            "autogen_agentchat.base",
            "TaskResult",
            messages=[an_object("autogen_agentchat.messages", "TextMessage", content="Paris")],
        ),
        an_object("smolagents.memory", "FinalAnswerStep", output="Paris"),
        {"result": STRANDS(message={"role": "assistant", "content": [{"text": "Paris"}]})},
    ],
    ids=["autogen", "smolagents", "strands"],
)
def test_a_last_piece_that_is_the_whole_answer_is_the_answer(last: object) -> None:
    assert answer_of(collected(iter(["Par", {"event": 1}, last]))) == "Paris"


def test_events_of_the_responses_api_give_the_text_once() -> None:
    kind = a_class("openai.types.responses", "ResponseTextDeltaEvent")
    events = [
        a_class("openai.types.responses", "ResponseCreatedEvent")(type="response.created", response=object()),
        kind(type="response.output_text.delta", delta="Par"),
        kind(type="response.output_text.delta", delta="is"),
        a_class("openai.types.responses", "ResponseCompletedEvent")(type="response.completed", response=object()),
    ]
    assert answer_of(collected(iter(events))) == "Paris"


def test_events_of_anthropic_give_the_text_once() -> None:
    delta = an_object("anthropic.types", "TextDelta", text="Paris")
    events = [
        a_class("anthropic.types", "RawMessageStartEvent")(type="message_start"),
        a_class("anthropic.types", "RawContentBlockDeltaEvent")(type="content_block_delta", delta=delta),
        a_class("anthropic.lib.streaming", "TextEvent")(type="text", text="Paris", snapshot="Paris"),
        a_class("anthropic.types", "RawMessageStopEvent")(type="message_stop"),
    ]
    assert answer_of(collected(iter(events))) == "Paris"


def test_a_result_that_holds_its_stream_is_consumed_and_then_is_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    async def events(self: Any) -> AsyncIterator[Any]:
        delta = a_class("openai.types.responses", "ResponseTextDeltaEvent")
        for text in ("Par", "is"):
            yield an_object(
                "agents", "RawResponsesStreamEvent", data=delta(type="response.output_text.delta", delta=text)
            )
        yield an_object("agents", "RunItemStreamEvent", item=object())
        self.final_output = "Paris"

    base = a_class("agents.result", "RunResultBase")
    result = a_class("agents.result", "RunResultStreaming", bases=(base,), stream_events=events)(final_output=None)
    assert asyncio.run(_consumed(result))
    assert answer_of(result) == "Paris"
    assert capsys.readouterr().out == "Paris\n"


async def _consumed(value: object) -> bool:
    return await consume_inside(value)


def test_an_endless_stream_keeps_its_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    plain = answer_of(collected({"text": "x" * 100_000, "number": number} for number in range(1000)))
    assert plain[0]["number"] == 0
    assert "cut" in str(plain[-1])
    assert capsys.readouterr().out.count("\n") == 1000


@pytest.mark.parametrize("value", [[1], {"a": 1}, {1}, "text", b"bytes", range(3), 7, None, object()])
def test_collections_and_other_values_are_no_streams(value: object) -> None:
    assert not is_stream(value)
    assert not is_async_stream(value)


def test_a_file_and_the_response_of_an_http_client_are_no_streams() -> None:
    with open(__file__) as file:  # noqa: PTH123 - any file
        assert not is_stream(file)
    response = a_class("requests.models", "Response", __iter__=lambda self: iter([b""]), close=lambda self: None)()
    assert not is_stream(response)
