"""Small real classes that look like the message and result objects of frameworks: same package, name and attributes.

For tests that need no package; tests/unit/harness/test_frameworks.py holds the real ones against the same table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def a_class(module: str, name: str, *, bases: tuple[type, ...] = (), **members: Any) -> Any:
    """A class as if `module` had defined it; its objects have what they are made with."""

    def init(self: Any, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    return type(name, bases, {"__module__": module, "__init__": init, **members})


def an_object(module: str, name: str, /, **attributes: Any) -> Any:
    return a_class(module, name)(**attributes)


def _text_of_message(result: Any) -> str:
    return "".join(block["text"] + "\n" for block in result.message["content"] if "text" in block)


def _chat(module: str, **usage: int) -> Any:
    message = an_object(module, "ChatCompletionMessage", role="assistant", content="Paris", tool_calls=None)
    choice = an_object(module, "Choice", message=message, finish_reason="stop")
    return an_object(module, "ChatCompletion", id="1", choices=[choice], usage=an_object(module, "Usage", **usage))


def _piece(text: str | None) -> Any:
    delta = an_object("openai.types.chat.chat_completion_chunk", "ChoiceDelta", content=text)
    choice = an_object("openai.types.chat.chat_completion_chunk", "Choice", delta=delta)
    return an_object("openai.types.chat.chat_completion_chunk", "ChatCompletionChunk", choices=[choice], usage=None)


def openai_stream() -> Any:
    """As the client has them: iterated, and closed."""
    last = an_object(
        "openai.types.chat.chat_completion_chunk",
        "ChatCompletionChunk",
        choices=[],
        usage=an_object("openai", "Usage", prompt_tokens=7, completion_tokens=5),
    )
    pieces = [_piece("Paris "), _piece(None), _piece("is it."), last]
    return a_class("openai", "Stream", __iter__=lambda self: iter(pieces), close=lambda self: None)()


STRANDS = a_class("strands.agent.agent_result", "AgentResult", __str__=_text_of_message)
ASSISTANT = {"role": "assistant", "content": [{"text": "Paris"}]}
USED = {"input_tokens": 7, "output_tokens": 5}
Made = Callable[[], Any]

# what is made, its answer, how it was got, its tokens
RESULTS: dict[str, tuple[Made, Any, str, dict[str, int] | None]] = {
    "strands": (
        lambda: STRANDS(
            message=ASSISTANT,
            stop_reason="end_turn",
            metrics=an_object(
                "strands.telemetry", "EventLoopMetrics", accumulated_usage={"inputTokens": 7, "outputTokens": 5}
            ),
        ),
        "Paris",
        "str",
        USED,
    ),
    "strands with structure": (
        lambda: STRANDS(message=ASSISTANT, structured_output={"city": "Paris"}),
        {"city": "Paris"},
        ".structured_output",
        None,
    ),
    "openai-agents": (
        lambda: a_class("agents.result", "RunResult", bases=(a_class("agents.result", "RunResultBase"),))(
            final_output="Paris",
            new_items=[object()],
            context_wrapper=an_object("agents", "RunContextWrapper", usage=an_object("agents", "Usage", **USED)),
        ),
        "Paris",
        ".final_output",
        USED,
    ),
    "pydantic-ai": (
        lambda: an_object("pydantic_ai.run", "AgentRunResult", output={"city": "Paris"}, _state=object()),
        {"city": "Paris"},
        ".output",
        None,
    ),
    "agno": (
        lambda: an_object(
            "agno.run.agent", "RunOutput", content="Paris", run_id="1", metrics=an_object("agno", "M", **USED)
        ),
        "Paris",
        ".content",
        USED,
    ),
    "autogen": (
        lambda: an_object(
            "autogen_agentchat.base",
            "TaskResult",
            messages=[
                an_object("autogen_agentchat.messages", "TextMessage", content="What?", models_usage=None),
                an_object(
                    "autogen_agentchat.messages",
                    "TextMessage",
                    content="Paris",
                    models_usage=an_object("autogen_core", "RequestUsage", prompt_tokens=7, completion_tokens=5),
                ),
            ],
            stop_reason="done",
        ),
        "Paris",
        ".messages.-1",
        USED,
    ),
    "autogen response": (
        lambda: an_object(
            "autogen_agentchat.base",
            "Response",
            chat_message=an_object("autogen_agentchat.messages", "TextMessage", content="Paris"),
        ),
        "Paris",
        ".chat_message",
        None,
    ),
    "autogen 0.2": (
        lambda: an_object("autogen.agentchat.chat", "ChatResult", summary="Paris", chat_history=[{}]),
        "Paris",
        ".summary",
        None,
    ),
    "crewai": (
        lambda: an_object(
            "crewai.crews.crew_output",
            "CrewOutput",
            raw="Paris",
            json_dict=None,
            pydantic=None,
            token_usage=an_object("crewai", "UsageMetrics", prompt_tokens=7, completion_tokens=5),
        ),
        "Paris",
        ".raw",
        USED,
    ),
    "crewai with JSON": (
        lambda: an_object("crewai.crews.crew_output", "CrewOutput", raw="{}", json_dict={"city": "Paris"}),
        {"city": "Paris"},
        ".json_dict",
        None,
    ),
    "dspy": (
        a_class(
            "dspy.primitives.prediction", "Prediction", toDict=lambda self: {"answer": "Paris"}, keys=lambda self: []
        ),
        "Paris",
        "toDict",
        None,
    ),
    "dspy with reasoning": (
        a_class(
            "dspy.primitives.prediction",
            "Prediction",
            toDict=lambda self: {"reasoning": "It is.", "answer": "Paris"},
            get_lm_usage=lambda self: {"openai/x": {"prompt_tokens": 7, "completion_tokens": 5}},
        ),
        {"reasoning": "It is.", "answer": "Paris"},
        "toDict",
        USED,
    ),
    "haystack": (
        lambda: an_object("haystack.dataclasses.chat_message", "ChatMessage", text="Paris", _role="assistant"),
        "Paris",
        ".text",
        None,
    ),
    "langchain": (
        lambda: a_class("langchain_core.messages.ai", "AIMessage", bases=(a_class("langchain_core", "BaseMessage"),))(
            content="Paris", tool_calls=[], usage_metadata={**USED, "total_tokens": 12}
        ),
        "Paris",
        ".content",
        USED,
    ),
    "langchain blocks": (
        lambda: an_object(
            "langchain_core.messages",
            "BaseMessage",
            content=[{"type": "text", "text": "Par"}, {"type": "reasoning", "reasoning": "x"}, "is"],
        ),
        "Paris",
        ".content",
        None,
    ),
    "llama-index": (
        lambda: an_object("llama_index.core.base.response.schema", "Response", response="Paris", source_nodes=[1]),
        "Paris",
        ".response",
        None,
    ),
    "llama-index agent": (
        lambda: an_object(
            "llama_index.core.agent.workflow",
            "AgentOutput",
            response=an_object(
                "llama_index.core.base.llms.types",
                "ChatMessage",
                content="Paris",
                blocks=[an_object("llama_index", "TextBlock", text="Paris")],
            ),
        ),
        "Paris",
        ".response",
        None,
    ),
    "smolagents": (
        lambda: an_object(
            "smolagents.agents",
            "RunResult",
            output="Paris",
            state="success",
            steps=[],
            token_usage=an_object("smolagents", "TokenUsage", **USED),
        ),
        "Paris",
        ".output",
        USED,
    ),
    "google-adk": (
        lambda: an_object(
            "google.adk.events.event",
            "Event",
            author="agent",
            content=an_object(
                "google.genai.types",
                "Content",
                parts=[
                    an_object("google.genai.types", "Part", text="Par"),
                    an_object("google.genai.types", "Part", text=None),
                    an_object("google.genai.types", "Part", text="is"),
                ],
            ),
            usage_metadata=an_object("google", "U", prompt_token_count=7, candidates_token_count=5),
        ),
        "Paris",
        ".content",
        USED,
    ),
    "semantic-kernel": (
        lambda: an_object(
            "semantic_kernel.agents.agent",
            "AgentResponseItem",
            message=an_object(
                "semantic_kernel.contents.chat_message_content", "ChatMessageContent", content="Paris", items=[]
            ),
        ),
        "Paris",
        ".message",
        None,
    ),
    "openai": (
        lambda: _chat("openai.types.chat.chat_completion", prompt_tokens=7, completion_tokens=5),
        "Paris",
        ".choices.0.message.content",
        USED,
    ),
    "litellm": (
        lambda: _chat("litellm.types.utils", prompt_tokens=7, completion_tokens=5),
        "Paris",
        ".choices.0.message.content",
        USED,
    ),
    "openai responses": (
        lambda: an_object(
            "openai.types.responses.response",
            "Response",
            output_text="Paris",
            output=[],
            usage=an_object("openai", "U", **USED),
        ),
        "Paris",
        ".output_text",
        USED,
    ),
    "anthropic": (
        lambda: an_object(
            "anthropic.types.message",
            "Message",
            content=[
                an_object("anthropic.types", "ThinkingBlock", thinking="hm"),
                an_object("anthropic.types", "TextBlock", text="Paris"),
            ],
            usage=an_object("anthropic", "Usage", **USED),
        ),
        "Paris",
        ".content",
        USED,
    ),
    "ollama": (
        lambda: an_object(
            "ollama._types",
            "ChatResponse",
            message=an_object("ollama._types", "Message", content="Paris"),
            prompt_eval_count=7,
            eval_count=5,
        ),
        "Paris",
        ".message.content",
        USED,
    ),
    "mcp": (
        lambda: an_object(
            "mcp.types", "CallToolResult", content=[an_object("mcp.types", "TextContent", text="Paris")], isError=False
        ),
        "Paris",
        ".content",
        None,
    ),
}
