import pytest

from shared.domain.models import PROVIDERS, conflicts, model_environment, provider_of

URL = "http://models.example:8000/v1"


@pytest.mark.parametrize(
    ("provider", "read"),
    [
        ("openai", ["OPENAI_BASE_URL", "OPENAI_API_BASE"]),
        ("ollama", ["OLLAMA_HOST", "OLLAMA_BASE_URL", "OLLAMA_API_BASE"]),
        ("anthropic", ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"]),
        ("azure", ["AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE"]),
        ("azure-openai", ["AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE"]),
        ("google", ["GOOGLE_GEMINI_BASE_URL", "GEMINI_API_BASE"]),
        ("google-gla", ["GOOGLE_GEMINI_BASE_URL", "GEMINI_API_BASE"]),
        ("groq", ["GROQ_BASE_URL", "GROQ_API_BASE", "OPENAI_BASE_URL", "OPENAI_API_BASE"]),
        ("together_ai", ["TOGETHER_BASE_URL", "TOGETHER_AI_API_BASE", "OPENAI_BASE_URL", "OPENAI_API_BASE"]),
        ("bedrock", ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "ANTHROPIC_BEDROCK_BASE_URL", "AWS_BEDROCK_RUNTIME_ENDPOINT"]),
        ("vertex_ai", ["GOOGLE_VERTEX_BASE_URL", "ANTHROPIC_VERTEX_BASE_URL", "VERTEXAI_API_BASE"]),
        ("cohere", ["CO_API_URL", "CO_BASE_URL", "COHERE_API_BASE"]),
        ("mistral", ["MISTRAL_BASE_URL", "MISTRAL_API_BASE"]),
        ("my-own-gateway", ["OPENAI_BASE_URL", "OPENAI_API_BASE"]),
    ],
)
def test_the_address_reaches_what_its_libraries_read_and_nothing_else(provider: str, read: list[str]) -> None:
    environment = model_environment(provider=provider, base_url=URL)
    environment.pop("OPENAI_AGENTS_DISABLE_TRACING", None)
    assert environment == {"MODEL_PROVIDER": provider, "MODEL_BASE_URL": URL, **dict.fromkeys(read, URL)}


@pytest.mark.parametrize(
    ("provider", "address", "told"),
    [
        ("openai", URL, "1"),
        ("azure", URL, "1"),
        ("ollama", URL, "1"),
        ("my-own-gateway", URL, "1"),
        ("openai", "https://api.openai.com/v1", None),
        ("openai", "", None),
        ("anthropic", URL, None),
    ],
)
def test_traces_of_openai_agents_do_not_go_to_openai_where_another_host_is_named(
    provider: str, address: str, told: str | None
) -> None:
    environment = model_environment(provider=provider, base_url=address)
    assert environment.get("OPENAI_AGENTS_DISABLE_TRACING") == told


@pytest.mark.parametrize("provider", ["bedrock", "anthropic", "openai", "my-own-gateway"])
def test_a_region_is_what_boto3_reads_too(provider: str) -> None:
    environment = model_environment(provider=provider, region="eu-west-1")
    assert environment["AWS_DEFAULT_REGION"] == environment["AWS_REGION"] == "eu-west-1"


def test_a_region_of_google_is_none_of_aws() -> None:
    environment = model_environment(provider="vertex", region="europe-west1")
    assert environment["GOOGLE_CLOUD_LOCATION"] == environment["CLOUD_ML_REGION"] == "europe-west1"
    assert not any(name.startswith("AWS") for name in environment)


def test_what_is_not_set_is_not_there() -> None:
    assert model_environment(provider="bedrock", model_id="m") == {
        "MODEL_PROVIDER": "bedrock",
        "MODEL_ID": "m",
        "BEDROCK_MODEL_ID": "m",
    }


@pytest.mark.parametrize("name", PROVIDERS)
def test_names_are_read_however_they_are_written(name: str) -> None:
    assert provider_of(name.upper()) == PROVIDERS[name]


def test_a_variable_of_the_user_that_says_something_else_is_a_conflict() -> None:
    setting = model_environment(provider="openai", model_id="m", base_url=URL)
    assert conflicts(setting, {"MODEL_ID": "m", "OTHER": "x"}, {}) == []
    assert conflicts(setting, {"OPENAI_BASE_URL": "http://elsewhere"}, {"MODEL_ID": "secret"}) == [
        "MODEL_ID",
        "OPENAI_BASE_URL",
    ]
