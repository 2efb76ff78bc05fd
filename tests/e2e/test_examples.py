"""Every example agent through the command and the sandbox, as its README says to run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import EXAMPLES
from tests.support.local_mode import Command
from tests.support.ollama_server import running_ollama

pytestmark = pytest.mark.slow


def told(assay: Command, example: str, *options: str | Path) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    """Exit code, the test as it ended, and its log lines."""
    path = EXAMPLES / example
    words: list[str | Path] = [path / "agent.py", "-r", path / "requirements.txt"] if path.is_dir() else [path]
    ran = assay("submit", *words, *options, "--follow", "--json")
    assert ran.err == ""
    end = ran.objects[-1]
    assert end["event"] == "ended", ran.out
    assert ran.objects[-2]["logs"]["complete"] is True
    return ran.code, end["test"], [thing["line"] for thing in ran.objects if thing["event"] == "log"]


def test_every_example_is_tried_here() -> None:
    tried = Path(__file__).read_text("utf-8")
    for path in EXAMPLES.iterdir():
        assert path.name == "README.md" or path.name.startswith((".", "__")) or f'"{path.name}"' in tried


def test_a_plain_function(assay: Command) -> None:
    code, test, lines = told(assay, "plain_function.py", "-q", "How many words are in this question?")
    assert (code, test["result"]["response"]["words"], len(lines)) == (0, 7, 20)
    assert test["result"]["metrics"]["peak_memory_bytes"] > 1 << 20


def test_an_async_generator(assay: Command) -> None:
    code, test, lines = told(assay, "async_generator.py", "-q", "Count to five.")
    assert code == 0
    assert [step["step"] for step in test["result"]["response"]] == ["understand", *["count"] * 5, "answer"]
    assert {"DEBUG", "INFO"} == {line["level"] for line in lines}


def test_an_object_with_invoke(assay: Command) -> None:
    code, test, lines = told(assay, "document_search.py", "-q", "How long is the warranty?")
    assert (code, test["result"]["response"]["source"]) == (0, "warranty")
    assert {line["stream"] for line in lines} == {"STDERR"}


def test_a_project_with_a_table_and_a_report(assay: Command, tmp_path: Path) -> None:
    path = EXAMPLES / "price_report"
    ran = assay("submit", path, "--file", path / "prices.csv", "-q", "tea", "--follow", "--json")
    test = ran.objects[-1]["test"]
    assert (ran.code, test["result"]["response"]) == (0, {"count": 2, "lowest": 2.8, "highest": 3.2})
    assert [file["path"] for file in test["output_files"]] == ["report.md"]
    assert assay("download", test["id"], "--to", tmp_path).code == 0
    assert (tmp_path / "report.md").read_text("utf-8") == "# Prices of tea\n\n2 offers, from 2.80 to 3.20.\n"
    listed = assay("files", test["id"], "--json").objects[0]["files"]
    assert [(file["kind"], file["path"]) for file in listed] == [
        ("PROJECT", "agent.py"),
        ("PROJECT", "prompts/report.txt"),
        ("PROJECT", "report/__init__.py"),
        ("PROJECT", "report/summary.py"),
        ("INPUT", "prices.csv"),
        ("OUTPUT", "report.md"),
    ]


def test_pydantic_ai_installs_once_and_reports_its_tokens(assay: Command) -> None:
    code, first, lines = told(assay, "pydantic_ai_agent", "-q", "What shall I wear in Prague?")
    assert code == 0, (first["failure"], lines)
    assert first["result"]["response"].startswith("It is 21 °C")
    assert first["result"]["usage"]["input_tokens"] > 0
    assert any(line["stream"] == "BUILD" and "pydantic-ai-slim" in line["text"] for line in lines)

    code, second, lines = told(assay, "pydantic_ai_agent", "-q", "And in Brno?")
    assert (code, {line["stream"] for line in lines}) == (0, {"STDOUT"})
    assert second["result"]["metrics"]["build_s"] < first["result"]["metrics"]["build_s"]


def test_a_langgraph_graph(assay: Command) -> None:
    code, test, lines = told(assay, "langgraph_workflow", "-q", "The server is down")
    assert code == 0, (test["failure"], lines)
    assert test["result"]["response"]["trail"] == ["classify", "escalate"]
    assert "WARNING" in {line["level"] for line in lines}


def test_a_model_on_an_ollama_server_of_this_machine(assay: Command, model_port: int) -> None:
    with running_ollama(model_port) as ollama:
        options = ["--model", "ollama:llama3.2", "--model-url", ollama.url]
        code, test, lines = told(assay, "ollama_chat", "-q", "What is six times seven?", *options)
        assert code == 0, (test["failure"], lines)
        assert test["result"]["response"]["answer"].endswith("My answer is 42.")
        assert test["result"]["usage"]["output_tokens"] > 0
        assert [asked["model"] for asked in ollama.requests] == ["llama3.2"]
        code, test, _ = told(assay, "ollama_chat", "-q", "x", "--model", "ollama:nobody", "--model-url", ollama.url)
        assert (code, test["failure"]["code"]) == (1, "AGENT_EXCEPTION")
        assert "nobody" in test["failure"]["message"]
        code, test, _ = told(assay, "ollama_chat", "-q", "x", *options[:2], "--model-url", f"{ollama.url[:-1]}0")
        assert (code, test["failure"]["code"]) == (1, "HOST_NOT_ALLOWED")
        assert "ASSAY_PROCESS_ALLOW_HOSTS=127.0.0.1:" in test["failure"]["message"]


def test_one_that_fails(assay: Command) -> None:
    code, test, _ = told(assay, "fails.py", "-q", "x")
    assert (code, test["state"], test["failure"]["code"]) == (1, "FAILED", "AGENT_EXCEPTION")
    assert test["failure"]["message"] == "LookupError: cake is not on the menu"


def test_one_that_hangs(assay: Command) -> None:
    code, test, lines = told(assay, "hangs.py", "-q", "x", "--timeout", "2")
    assert (code, test["state"], test["failure"]["code"]) == (1, "TIMED_OUT", "TIMED_OUT")
    assert any("in wait_for_the_other_side" in line["text"] for line in lines)
    assert test["result"]["metrics"]["run_s"] < 10


def test_one_that_eats_memory(assay: Command) -> None:
    code, test, lines = told(assay, "eats_memory.py", "-q", "x", "--memory", "128m")
    assert (code, test["state"], test["failure"]["code"]) == (1, "FAILED", "OUT_OF_MEMORY")
    assert lines[-1]["text"] == "INFO: holding 112 MiB"
