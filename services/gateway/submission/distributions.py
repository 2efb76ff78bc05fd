"""Which requirement brings a module, where its name does not say so; and which requirements bring nothing else.

Tables. A module that is not here is brought by the requirement of its own name, if by any."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from packaging.utils import canonicalize_name

BRINGS: Final[dict[str, tuple[str, ...]]] = {
    "agents": ("openai-agents",),
    "attr": ("attrs",),
    "autogen": ("ag2", "pyautogen", "autogen"),
    "autogen_agentchat": ("autogen-agentchat",),
    "autogen_ext": ("autogen-ext",),
    "bs4": ("beautifulsoup4", "bs4"),
    "cv2": ("opencv-python-headless", "opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless"),
    "dateutil": ("python-dateutil",),
    "docx": ("python-docx",),
    "dotenv": ("python-dotenv",),
    "dspy": ("dspy", "dspy-ai"),
    "duckduckgo_search": ("duckduckgo-search",),
    "faiss": ("faiss-cpu", "faiss-gpu"),
    "fitz": ("pymupdf",),
    "pymupdf": ("pymupdf",),
    "git": ("gitpython",),
    "github": ("pygithub",),
    "google.adk": ("google-adk",),
    "google.genai": ("google-genai",),
    "google.generativeai": ("google-generativeai",),
    "google.protobuf": ("protobuf",),
    "haystack": ("haystack-ai", "farm-haystack"),
    "jose": ("python-jose",),
    "jwt": ("pyjwt",),
    "llama_index": ("llama-index", "llama-index-core"),
    "llama_index.core": ("llama-index-core", "llama-index"),
    "lxml": ("lxml",),
    "magic": ("python-magic",),
    "mcp": ("mcp", "fastmcp"),
    "multipart": ("python-multipart",),
    "MySQLdb": ("mysqlclient",),
    "OpenSSL": ("pyopenssl",),
    "pinecone": ("pinecone", "pinecone-client"),
    "PIL": ("pillow",),
    "pptx": ("python-pptx",),
    "psycopg2": ("psycopg2-binary", "psycopg2"),
    "psycopg": ("psycopg", "psycopg-binary"),
    "pydantic_ai": ("pydantic-ai-slim", "pydantic-ai"),
    "pkg_resources": ("setuptools",),
    "pydantic_graph": ("pydantic-graph", "pydantic-ai", "pydantic-ai-slim"),
    "serial": ("pyserial",),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "slugify": ("python-slugify",),
    "speech_recognition": ("speechrecognition",),
    "strands": ("strands-agents",),
    "strands_tools": ("strands-agents-tools",),
    "tavily": ("tavily-python",),
    "telegram": ("python-telegram-bot",),
    "usb": ("pyusb",),
    "vertexai": ("google-cloud-aiplatform",),
    "win32api": ("pywin32",),
    "wikipedia": ("wikipedia",),
    "yaml": ("pyyaml",),
    "zmq": ("pyzmq",),
}
"""The first is what is advised."""

OF_THEIR_OWN_NAME: Final = frozenset(
    (
        *("agno", "aiohttp", "aiofiles", "anthropic", "boto3", "botocore", "chromadb", "click", "cohere", "crewai"),
        *("crewai_tools", "datasets", "fastapi", "fastmcp", "flask", "groq", "gradio", "httpx", "huggingface_hub"),
        *("humanize", "instructor", "jinja2", "jsonschema", "langchain", "langchain_community", "langchain_core"),
        *("langchain_openai", "langchain_anthropic", "langchain_aws", "langchain_ollama", "langgraph", "langsmith"),
        *("litellm", "loguru", "markdown", "matplotlib", "mistralai", "networkx", "nltk", "numpy", "ollama", "openai"),
        *("openpyxl", "orjson", "pandas", "playwright", "plotly", "polars", "psutil", "pydantic", "pydantic_settings"),
        *("pypdf", "pytest", "pytz", "qdrant_client", "redis", "regex", "requests", "rich", "scipy", "selenium"),
        *("semantic_kernel", "sentence_transformers", "six", "smolagents", "sqlalchemy", "streamlit", "structlog"),
        *("sympy", "tabulate", "tenacity", "tiktoken", "together", "torch", "tqdm", "transformers", "typer"),
        *("urllib3", "uvicorn", "weaviate", "websockets", "xgboost"),
    )
)
"""Modules that everybody knows by the name of their requirement."""

SHARED_NAMES: Final = frozenset({"google", "azure", "opentelemetry", "zope", "sphinxcontrib", "backports"})
"""Modules that many requirements put something into."""

ALONE: Final[dict[str, tuple[str, ...]]] = {
    "attrs": (),
    "beautifulsoup4": ("soupsieve", "typing_extensions"),
    "certifi": (),
    "colorama": (),
    "humanize": (),
    "idna": (),
    "jinja2": ("markupsafe",),
    "numpy": (),
    "pillow": (),
    "python-dateutil": ("six",),
    "python-dotenv": (),
    "pytz": (),
    "pyyaml": (),
    "requests": ("urllib3", "idna", "certifi", "charset_normalizer"),
    "six": (),
    "tabulate": (),
    "tomli": (),
    "tqdm": (),
    "typing-extensions": (),
    "urllib3": (),
}
"""Requirements whose own requirements are known: what they bring beside themselves."""


def bringers(module: str) -> tuple[str, ...]:
    """The requirements that bring a module such as "google.adk.agents", the advised one first."""
    parts = module.split(".")
    for length in (2, 1):
        known = BRINGS.get(".".join(parts[:length]))
        if known:
            return known
    return (canonicalize_name(parts[0]),)


def is_known(module: str) -> bool:
    """Whether it is plain which requirement brings it."""
    parts = module.split(".")
    return parts[0] in OF_THEIR_OWN_NAME or any(".".join(parts[:length]) in BRINGS for length in (2, 1))


def bring_nothing_else(names: Iterable[str]) -> set[str] | None:
    """All modules that these requirements bring beside their own; None where one of them may bring anything."""
    brought: set[str] = set()
    for name in names:
        more = ALONE.get(name)
        if more is None:
            return None
        brought.update(more)
    return brought
