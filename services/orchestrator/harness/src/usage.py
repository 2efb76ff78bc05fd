"""The tokens that an agent says it used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.kinds import UNFIT, at

if TYPE_CHECKING:
    from typing import Any


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
    "metadata.usage",  # semantic-kernel
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
        return _told_by(value) or _of_models(value) or tokens_of(getattr(module, "usage", None))
    except Exception:  # foreign objects may do anything when asked; a count is not worth a failure
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
