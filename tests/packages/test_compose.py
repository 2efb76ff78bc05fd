"""docker-compose.yml against the JSON schema of the Compose specification, which check-jsonschema carries."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.packager.archive import packed
from services.packager.content import ModelFacts, PackageFacts
from tests.support.package_facts import EVERYTHING, FACTS, facts

CHECK = Path(sys.executable).parent / "check-jsonschema"


def compose(of: PackageFacts) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(packed(of)["docker-compose.yml"])
    return read


def valid(path: Path) -> bool:
    done = subprocess.run(
        [str(CHECK), "--builtin-schema", "vendor.compose-spec", str(path)], capture_output=True, check=False
    )
    return done.returncode == 0


@pytest.mark.parametrize(
    "of",
    [
        FACTS,
        EVERYTHING,
        facts(model=ModelFacts("ollama", "m: ${X} '\"\n{{y}} # \\")),
        facts(model=ModelFacts("ollama")),
        facts(model=ModelFacts("bedrock", "us.amazon.nova-lite-v1:0", "", "us-east-1")),
    ],
    ids=["small", "everything", "hostile", "no model", "bedrock"],
)
def test_it_is_valid_by_the_specification(of: PackageFacts, tmp_path: Path) -> None:
    path = tmp_path / "docker-compose.yml"
    path.write_bytes(packed(of)["docker-compose.yml"])
    assert valid(path), path.read_text("utf-8")


def test_the_schema_refuses_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "docker-compose.yml"
    path.write_text(yaml.safe_dump({"services": {"agent": {"image": "x", "port": ["80:80"]}}}), "utf-8")
    assert not valid(path)


def test_an_agent_on_ollama_gets_a_server_with_its_model() -> None:
    services = compose(EVERYTHING)["services"]
    assert services["agent"]["environment"]["OLLAMA_BASE_URL"] == "http://ollama:11434"
    assert services["ollama-model"]["entrypoint"] == ["ollama", "pull", "llama3.2"]
    assert services["agent"]["depends_on"]["ollama-model"]["condition"] == "service_completed_successfully"


def test_only_an_agent_on_ollama_gets_one() -> None:
    assert list(compose(facts(model=ModelFacts("openai", "gpt")))["services"]) == ["agent"]


def test_variables_must_be_filled_in_where_there_are_some() -> None:
    assert compose(FACTS)["services"]["agent"]["env_file"] == [{"path": ".env", "required": False}]
    assert compose(EVERYTHING)["services"]["agent"]["env_file"] == [{"path": ".env", "required": True}]
