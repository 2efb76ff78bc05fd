"""The tokens that an agent says it used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


MAX_TOKENS = 2**53  # what every reader of JSON can hold


def usage_of(value: Any, module: object) -> dict[str, int] | None:
    """Tokens, where the agent tells: in what its framework's result carries, in the answer as
    `"usage": {"input_tokens": 1, "output_tokens": 2}`, or in a variable `usage` of that form in agent.py."""
    try:
        usage = getattr(value, "usage", None)
        if callable(usage) and not tokens_of(usage):  # a method; in newer pydantic-ai a value that may still be called
            usage = usage()
        candidates = [usage, getattr(value, "usage_metadata", None), value]
        if isinstance(value, dict):
            candidates.append(value.get("usage"))
            messages = value.get("messages")
            if isinstance(messages, list):
                candidates.append(_summed([getattr(message, "usage_metadata", None) for message in messages]))
        candidates.append(getattr(module, "usage", None))
        return next(filter(None, map(tokens_of, candidates)), None)
    except Exception:  # foreign objects may do anything when asked; a count is not worth a failure
        return None


def tokens_of(candidate: Any) -> dict[str, int] | None:
    found = []
    for names in (
        ("input_tokens", "prompt_tokens", "request_tokens", "prompt_eval_count"),
        ("output_tokens", "completion_tokens", "response_tokens", "eval_count"),
    ):
        get = candidate.get if isinstance(candidate, dict) else lambda name: getattr(candidate, name, None)
        found.append(next((got for got in map(get, names) if type(got) is int and 0 <= got <= MAX_TOKENS), None))
    if found == [None, None]:
        return None
    return {"input_tokens": found[0] or 0, "output_tokens": found[1] or 0}


def _summed(parts: list[Any]) -> dict[str, int] | None:
    counts = list(filter(None, map(tokens_of, parts)))
    return (
        {name: sum(count[name] for count in counts) for name in ("input_tokens", "output_tokens")} if counts else None
    )
