"""The tokens that an agent says it used."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.kinds import UNFIT, at

if TYPE_CHECKING:
    from typing import Any


SILENT = (str, list, tuple, int, float, bool)  # answers that have no place for it
MAX_TOKENS = 2**53  # what every reader of JSON can hold
# Where result and message objects have them, and dictionaries of that form.
PLACES = (
    "usage",
    "usage_metadata",  # langchain, google
    "token_usage",  # crewai, smolagents
    "context_wrapper.usage",  # openai-agents
    "metrics.accumulated_usage",  # strands
    "metrics",  # agno
    "models_usage",  # autogen
    "response_metadata.token_usage",
    "metadata.usage",  # semantic-kernel, messages of strands
    "meta.usage",  # haystack
    "raw.usage",  # llama-index
    "",  # the value itself
)
NAMES = (
    (
        "input_tokens",
        *("prompt_tokens", "request_tokens", "prompt_eval_count", "inputTokens", "prompt_token_count"),
    ),
    (
        "output_tokens",
        *("completion_tokens", "response_tokens", "eval_count", "outputTokens", "candidates_token_count"),
    ),
)


def usage_of(value: Any, module: object) -> dict[str, int] | None:
    """Tokens, where the agent tells: in what its framework's result carries, in the answer as
    `"usage": {"input_tokens": 1, "output_tokens": 2}`, or in a variable `usage` of that form in agent.py."""
    try:
        found = None
        if value is not None and not any(type(value) is one for one in SILENT):
            found = _told_by(value) or _of_models(value) or _of_pipeline(value) or _told_by(at(value, "result"))
        return found or tokens_of(getattr(module, "usage", None)) or _of_agents(module) or _of_dspy()
    except BaseException:  # foreign objects may do anything when asked; a count is not worth a failure
        return None


def _told_by(value: Any) -> dict[str, int] | None:
    for place in PLACES:
        found = at(value, place) if place else value
        if found is UNFIT:
            continue
        if callable(found) and not tokens_of(found):  # a method; in newer pydantic-ai a value that may still be called
            found = found() if place == "usage" else None
        if tokens := tokens_of(found):
            return tokens
    messages = at(value, "messages")
    if isinstance(messages, (list, tuple)):
        return _summed([_told_by(message) for message in messages[-1000:]])
    return None


def _of_models(value: Any) -> dict[str, int] | None:
    """As dspy tells it: {"provider/model": {"prompt_tokens": 1, ...}}."""
    method = at(value, "get_lm_usage")
    models = method() if callable(method) else None
    return _summed([tokens_of(one) for one in models.values()]) if isinstance(models, dict) else None


def _of_pipeline(value: Any) -> dict[str, int] | None:
    """As haystack tells it: {"llm": {"replies": [message with meta]}}, or {"llm": {"meta": [{"usage": ...}]}}."""
    if not isinstance(value, dict):
        return None
    counts: list[Any] = []
    for component in value.values():
        for name in ("replies", "meta"):
            parts = component.get(name) if isinstance(component, dict) else None
            found = [_told_by(part) for part in parts[-1000:]] if isinstance(parts, list) else []
            if any(found):
                counts += found
                break
    return _summed(counts)


def _of_agents(module: object) -> dict[str, int] | None:
    """Of smolagents, whose runs give the bare answer: what the agents of the file have counted."""
    counts = []
    for agent in {id(one): one for one in vars(module).values()}.values():
        if type(agent).__module__.partition(".")[0] == "smolagents":
            monitor = getattr(agent, "monitor", None)
            told = {f"{way}_tokens": getattr(monitor, f"total_{way}_token_count", None) for way in ("input", "output")}
            counts.append(tokens_of(told) if any(told.values()) else None)
    return _summed(counts)


def _of_dspy() -> dict[str, int] | None:
    """The calls that the model of dspy's settings remembers."""
    settings = getattr(sys.modules.get("dspy"), "settings", None)
    history = getattr(getattr(settings, "lm", None), "history", None)
    if not isinstance(history, list):
        return None
    return _summed([tokens_of(at(call, "usage")) for call in history[-10_000:]])


def tokens_of(candidate: Any) -> dict[str, int] | None:
    found = []
    for names in NAMES:
        get = candidate.get if isinstance(candidate, dict) else lambda name: getattr(candidate, name, None)
        found.append(next((got for got in map(get, names) if type(got) is int and 0 <= got <= MAX_TOKENS), None))
    if found == [None, None]:
        return None
    return {"input_tokens": found[0] or 0, "output_tokens": found[1] or 0}


def _summed(parts: list[Any]) -> dict[str, int] | None:
    counts = [part for part in parts if part]
    return (
        {name: sum(count[name] for count in counts) for name in ("input_tokens", "output_tokens")} if counts else None
    )
