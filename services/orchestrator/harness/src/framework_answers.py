"""The final text or output inside the message and result objects of the frameworks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.kinds import UNFIT, Kind, at, called, comes_from, is_a, said, taken

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def fields_of_prediction(value: Any) -> object:
    """Of dspy: the only field, or all of them by name."""
    fields = value.toDict()
    return next(iter(fields.values())) if len(fields) == 1 else fields


def delta(value: Any) -> object:
    """The text that a piece of a stream adds, as the clients of chat APIs have them; nothing in pieces without."""
    kind = at(value, "type")
    if kind in ("response.output_text.delta", "content_block_delta"):
        text = at(value, "delta")
        text = text if isinstance(text, str) else at(text, "text")
        return text if isinstance(text, str) else ""
    if isinstance(kind, str) and (kind.startswith(("response.", "content_block_", "message_")) or kind == "text"):
        return ""  # the end of a response has the whole text again; so has `text` of Anthropic's helper
    name = type(value).__name__
    if not name.endswith("Chunk") and name != "ModelResponseStream":  # litellm's
        return UNFIT
    text = at(value, "choices.0.delta.content")
    return text if isinstance(text, str) else ""


def nothing_but_chunks(kind: Kind) -> bool:
    return not kind.roots.isdisjoint(CHAT_CLIENTS) and any(
        name.endswith(("Chunk", "Event", "ModelResponseStream")) for _, name in kind.classes
    )


CHAT_CLIENTS = (
    *("openai", "litellm", "groq", "mistralai", "together", "fireworks", "cerebras", "azure", "huggingface_hub"),
    *("xai_sdk", "ai21", "portkey_ai", "zhipuai", "dashscope", "ollama", "cohere", "anthropic"),
)


def framework_answers() -> tuple[tuple[Callable[[Kind], bool], str, Callable[[Any], Any]], ...]:
    """Which objects, how it is told in the notes, what is taken; the first that gives something counts.

    Made when it is first needed: most answers are plain JSON, and every test pays for what is made at the start."""
    return (
        (nothing_but_chunks, ".delta", delta),
        (is_a("strands", "AgentResult"), *taken("structured_output")),
        (is_a("strands", "AgentResult"), "str", lambda value: str(value).rstrip("\n")),
        (is_a("agents", "RunResultBase"), *taken("final_output")),
        (is_a("pydantic_ai", "AgentRunResultEvent"), *taken("result")),
        (is_a("pydantic_ai"), *taken("output")),
        (is_a("pydantic_ai", "ModelResponse"), *said("parts")),
        (is_a("langchain_core", "BaseMessage"), *said("content")),
        (is_a("langchain_core", "LLMResult"), *taken("generations.0.0.text")),
        (is_a("langchain_core", "ChatResult"), *taken("generations.0.text")),
        (is_a("langchain_core", "Generation"), *taken("text")),
        (is_a("langchain_core", "AgentFinish"), *taken("return_values")),
        (is_a("langchain_core", "PromptValue"), *called("to_string")),
        (is_a("crewai", "CrewOutput", "TaskOutput", "LiteAgentOutput"), *taken("json_dict")),
        (is_a("crewai", "CrewOutput", "TaskOutput", "LiteAgentOutput"), *taken("pydantic")),
        (is_a("crewai", "CrewOutput", "TaskOutput", "LiteAgentOutput"), *taken("raw")),
        (is_a("dspy", "Prediction"), "toDict", fields_of_prediction),
        (is_a("agno"), *said("content")),
        (is_a("phi"), *said("content")),
        (is_a("autogen_agentchat", "TaskResult"), *taken("messages.-1")),
        (is_a("autogen_agentchat", "Response"), *taken("chat_message")),
        (comes_from("autogen_agentchat", "autogen_core"), *said("content")),
        (is_a("autogen", "ChatResult"), *taken("summary")),
        (is_a("agent_framework"), *taken("text")),
        (is_a("haystack", "ChatMessage"), *taken("text")),
        (is_a("llama_index", "StreamingResponse"), *called("get_response")),
        (is_a("llama_index", "StreamingAgentChatResponse"), "response_gen", lambda value: "".join(value.response_gen)),
        (is_a("llama_index", "Response", "AgentChatResponse", "AgentOutput"), *taken("response")),
        (is_a("llama_index", "ChatResponse"), *taken("message")),
        (is_a("llama_index", "ChatMessage"), *said("content")),
        (is_a("llama_index", "CompletionResponse"), *taken("text")),
        (is_a("workflows", "StopEvent"), *taken("result")),
        (is_a("llama_index", "StopEvent"), *taken("result")),
        (is_a("smolagents", "RunResult", "FinalAnswerStep"), *taken("output")),
        (is_a("smolagents", "ChatMessage"), *said("content")),
        (is_a("google", "Event"), *taken("content")),
        (is_a("google", "Content"), *said("parts")),
        (is_a("google", "GenerateContentResponse"), *taken("text")),
        (is_a("semantic_kernel", "AgentResponseItem"), *taken("message")),
        (is_a("semantic_kernel", "ChatMessageContent"), *taken("content")),
        (is_a("semantic_kernel", "FunctionResult"), "str", str),
        (is_a("openai", "Response"), *taken("output_text")),
        (is_a("openai", "ChatCompletionMessage"), *taken("parsed")),
        (is_a("openai", "ChatCompletionMessage"), *said("content")),
        (is_a("anthropic", "TextBlock"), *taken("text")),
        (is_a("anthropic", "Message"), *said("content")),
        (comes_from(*CHAT_CLIENTS), *taken("choices.0.message.parsed")),
        (comes_from(*CHAT_CLIENTS), *said("choices.0.message.content")),
        (comes_from(*CHAT_CLIENTS), *said("choices.0.text")),
        (comes_from("ollama", "cohere"), *said("message.content")),
        (comes_from("ollama"), *taken("response")),
        (comes_from("cohere"), *taken("text")),
        (is_a("camel", "ChatAgentResponse"), *taken("msgs.-1.content")),
        (is_a("swarm", "Response"), *taken("messages.-1.content")),
        (is_a("griptape"), *taken("output")),
        (is_a("mirascope"), *said("content")),
        (is_a("browser_use", "AgentHistoryList"), *called("final_result")),
        (is_a("mcp", "CallToolResult"), *taken("structuredContent")),
        (is_a("mcp", "CallToolResult"), *said("content")),
        (is_a("mcp", "TextContent"), *taken("text")),
        (is_a("requests", "Response"), *called("json")),
        (is_a("requests", "Response"), *taken("text")),
        (is_a("httpx", "Response"), *called("json")),
        (is_a("httpx", "Response"), *taken("text")),
    )
