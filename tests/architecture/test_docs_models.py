"""The table of providers in the documentation is that of the code."""

import re
from pathlib import Path

from shared.domain.models import PROVIDERS, model_environment

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "write-an-agent.md"
OPENAI = PROVIDERS["openai"].url


def rows() -> dict[str, set[str]]:
    text = PAGE.read_text("utf-8").partition("| Provider | `--model-url` is also |")[2].partition("\n\n")[0]
    found = {}
    for line in text.strip().splitlines()[1:]:
        provider, variables = (cell.strip() for cell in line.strip("|").split("|"))
        names = set(re.findall(r"`([A-Z_]+)`", variables))
        (name,) = re.findall(r"`([a-z]+)`", provider)
        found[name] = names | (set(OPENAI) if "those of `openai`" in variables else set())
    return found


def test_every_provider_is_there_with_what_its_libraries_read() -> None:
    assert rows() == {name: set(provider.url) for name, provider in PROVIDERS.items()}


def test_the_regions_are_there() -> None:
    page = PAGE.read_text("utf-8")
    for name in PROVIDERS:
        for variable in set(model_environment(provider=name, region="r")) - {"MODEL_PROVIDER"}:
            assert f"`{variable}`" in page
