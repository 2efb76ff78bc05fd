"""How a model setting reaches the libraries that agents use: one table from provider to environment variables.

Each variable stands with who reads it, by its source. A variable that no library was seen to read is not here. What it
is for: an agent that says nothing about an address asks the one that was named, and does not ask another host with its
prompt and key. What else a library sends, and where, it does not govern, with one exception (`_NOT_TO_OPENAI`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Provider:
    """Which variables carry which part of the setting."""

    url: tuple[str, ...] = ()
    """The address of the model's API."""
    region: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    """Beside MODEL_ID."""
    by_openai: bool = False
    """Whether it is asked by the clients of OpenAI, whose own host then is another one."""


_AWS_REGION: Final = (
    "AWS_REGION",  # anthropic, langchain-aws, strands-agents, agno, smolagents
    "AWS_DEFAULT_REGION",  # botocore, which does not read AWS_REGION; cohere
    "AWS_REGION_NAME",  # litellm (and what is built on it: crewai, dspy, google-adk)
)
_OPENAI_URL: Final = (
    "OPENAI_BASE_URL",  # openai, litellm, langchain-openai
    "OPENAI_API_BASE",  # langchain-openai, litellm; openai before 1.0
)
_NOT_TO_OPENAI: Final = {
    # openai-agents: tracing/provider.py; else prompts and answers go to api.openai.com, with OPENAI_API_KEY
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
}
_AWS: Final = Provider(
    url=(
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",  # botocore: configprovider, by the id of the service
        "ANTHROPIC_BEDROCK_BASE_URL",  # anthropic: lib/bedrock
        "AWS_BEDROCK_RUNTIME_ENDPOINT",  # litellm
    ),
    region=_AWS_REGION,
    model=("BEDROCK_MODEL_ID",),
)
_GOOGLE: Final = Provider(
    url=("GOOGLE_GEMINI_BASE_URL", "GEMINI_API_BASE"),  # google-genai; litellm
    region=("GOOGLE_CLOUD_LOCATION",),  # google-genai
)
_VERTEX: Final = Provider(
    url=(
        "GOOGLE_VERTEX_BASE_URL",  # google-genai
        "ANTHROPIC_VERTEX_BASE_URL",  # anthropic: lib/vertex
        "VERTEXAI_API_BASE",  # litellm
    ),
    region=("GOOGLE_CLOUD_LOCATION", "CLOUD_ML_REGION", "VERTEXAI_LOCATION"),  # google-genai; anthropic, agno; litellm
)
_AZURE: Final = Provider(
    # openai and langchain-openai refuse OPENAI_API_BASE beside it.
    url=("AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE"),  # openai: lib/azure, langchain-openai, agno; litellm
    by_openai=True,
)


def _compatible(*own: str) -> Provider:
    """Speaks OpenAI's protocol: asked by the `openai` package as often as by its own."""
    return Provider(url=(*own, *_OPENAI_URL), region=_AWS_REGION, by_openai=True)


PROVIDERS: Final[dict[str, Provider]] = {
    "bedrock": _AWS,
    "ollama": Provider(
        url=(
            "OLLAMA_HOST",  # ollama, and with it langchain-ollama, llama-index, agno
            "OLLAMA_BASE_URL",  # pydantic-ai, and examples everywhere
            "OLLAMA_API_BASE",  # litellm
        ),
        by_openai=True,  # at /v1
    ),
    "openai": _compatible(),
    "anthropic": Provider(url=("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE")),  # anthropic, langchain-anthropic; litellm
    "azure": _AZURE,
    "google": _GOOGLE,
    "vertex": _VERTEX,
    "mistral": Provider(url=("MISTRAL_BASE_URL", "MISTRAL_API_BASE")),  # langchain-mistralai; litellm
    "cohere": Provider(url=("CO_API_URL", "CO_BASE_URL", "COHERE_API_BASE")),  # cohere; pydantic-ai; litellm
    "groq": _compatible("GROQ_BASE_URL", "GROQ_API_BASE"),  # groq, pydantic-ai; langchain-groq, litellm
    "together": _compatible("TOGETHER_BASE_URL", "TOGETHER_AI_API_BASE"),  # together; litellm
    "vllm": _compatible("VLLM_BASE_URL", "HOSTED_VLLM_API_BASE"),  # pydantic-ai, agno; litellm
    "lmstudio": _compatible("LM_STUDIO_API_BASE"),  # litellm
    "openrouter": _compatible("OPENROUTER_API_BASE"),  # litellm
    "deepseek": _compatible("DEEPSEEK_API_BASE"),  # litellm, langchain-deepseek
    "xai": _compatible("XAI_API_BASE"),  # litellm
    "fireworks": _compatible("FIREWORKS_API_BASE"),  # litellm
    "cerebras": _compatible("CEREBRAS_API_BASE"),  # litellm
    "nvidia": _compatible("NVIDIA_NIM_API_BASE"),  # litellm
    "moonshot": _compatible("MOONSHOT_API_BASE", "MOONSHOTAI_BASE_URL"),  # litellm; pydantic-ai
    "dashscope": _compatible("DASHSCOPE_API_BASE"),  # litellm
}

_OTHER_NAMES: Final = {
    "aws": "bedrock",
    "amazon": "bedrock",
    "aws_bedrock": "bedrock",
    "amazon_bedrock": "bedrock",
    "azure_openai": "azure",
    "claude": "anthropic",
    "gemini": "google",
    "google_genai": "google",
    "google_gla": "google",
    "googleai": "google",
    "google_vertex": "vertex",
    "vertexai": "vertex",
    "vertex_ai": "vertex",
    "mistralai": "mistral",
    "together_ai": "together",
    "togetherai": "together",
    "hosted_vllm": "vllm",
    "lm_studio": "lmstudio",
    "fireworks_ai": "fireworks",
    "grok": "xai",
    "nvidia_nim": "nvidia",
    "moonshotai": "moonshot",
}


def provider_of(name: str) -> Provider:
    """The provider's variables. A name that is not in the table is taken for a server that speaks OpenAI's protocol,

    as nearly everything with an address of one's own does: better its address than that of OpenAI."""
    plain = name.lower().replace("-", "_").replace(".", "_")
    return PROVIDERS.get(_OTHER_NAMES.get(plain, plain), _compatible())


def model_environment(*, provider: str, model_id: str = "", base_url: str = "", region: str = "") -> dict[str, str]:
    """The variables that tell an agent which model to use. Those of the user win over them."""
    known = provider_of(provider)
    named = {"MODEL_PROVIDER": provider, "MODEL_ID": model_id, "MODEL_BASE_URL": base_url}
    named |= dict.fromkeys(known.model, model_id)
    named |= dict.fromkeys(known.url, base_url)
    named |= dict.fromkeys(known.region or _AWS_REGION, region)
    host = base_url.partition("://")[2].partition("/")[0].lower()
    if base_url and known.by_openai and host != "api.openai.com":
        named |= _NOT_TO_OPENAI
    return {name: value for name, value in named.items() if value}


def conflicts(setting: Mapping[str, str], env: Mapping[str, str], secrets: Mapping[str, str]) -> list[str]:
    """Names of the variables with which the user says something else than the model setting does."""
    return sorted(name for name, value in setting.items() if name in secrets or env.get(name, value) != value)
