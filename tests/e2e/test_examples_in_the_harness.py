"""Every example agent, for real: its requirements installed by the harness, itself run by the harness."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.ollama_server import running_ollama
from tests.unit.harness.started import context, run, started

EXAMPLES = Path(__file__).parents[2] / "examples"
KEEP = ("UV_", "PIP_", "SSL_", "REQUESTS_", "CURL_", "HTTP", "http", "NO_PROXY", "no_proxy", "HOME", "XDG_")

pytestmark = pytest.mark.slow


def source(name: str) -> str:
    """The code of an example."""
    path = EXAMPLES / name
    return (path / "agent.py" if path.is_dir() else path).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def environment_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Installs the requirements of an example and gives the Python of its environment."""
    uv = Path(sys.executable).parent / "uv"
    path = f"{uv.parent if uv.exists() else Path(shutil.which('uv') or '/usr/bin/uv').parent}:/usr/bin:/bin"

    def install(name: str) -> str:
        folder = tmp_path_factory.mktemp(name) / "env"
        given = context("", mode="build", env_dir=str(folder), timeout_s=300)
        given["files"]["requirements.txt"] = (EXAMPLES / name / "requirements.txt").read_text(encoding="utf-8")
        env = {key: value for key, value in os.environ.items() if key.startswith(KEEP)}
        with started(given, env={**env, "PATH": path}) as harness:
            outcome = harness.ended(within=310)
        assert outcome.exit_code == 0, outcome.text
        return f"{folder}/bin/python"

    return install


def test_every_example_is_tried_here_and_explained() -> None:
    """But for projects, which the harness alone does not get: test_examples.py has them."""
    tried = Path(__file__).read_text(encoding="utf-8")
    explained = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    names = [path.name for path in EXAMPLES.iterdir() if path.suffix == ".py" or (path / "requirements.txt").exists()]
    assert len(names) >= 8
    for name in names:
        assert f'"{name}"' in tried
        assert name in explained
        assert source(name).startswith('"""')


def test_the_plain_function_prints_twenty_lines_and_returns_json() -> None:
    outcome = run(source("plain_function.py"), query="How many words are in this question?")
    assert outcome.response == {"answer": "There are 7 words in this question.", "words": 7, "longest": "question"}
    assert len(outcome.lines) == 20


def test_the_async_generator_shows_each_step_when_it_takes_it() -> None:
    outcome = run(source("async_generator.py"), query="Count to five.")
    assert [step["step"] for step in outcome.response] == ["understand", *["count"] * 5, "answer"]
    times = [line["ts"] for line in outcome.lines if '"step":"count"' in line["text"]]
    assert all(later - earlier > 0.2 for earlier, later in pairwise(times))


def test_the_document_search_finds_its_passage_and_logs_with_levels() -> None:
    outcome = run(source("document_search.py"), query="How long is the warranty?")
    assert outcome.response["source"] == "warranty"
    assert {line["level"] for line in outcome.lines} == {"info"}
    assert run(source("document_search.py"), query="zebra").response == {"answer": None, "source": None}


def test_pydantic_ai_runs_with_its_test_model(environment_of: Callable[[str], str]) -> None:
    outcome = run(source("pydantic_ai_agent"), query="What shall I wear?", python=environment_of("pydantic_ai_agent"))
    assert outcome.response == "It is 21 °C and sunny in Prague: no coat needed."
    assert outcome.result["usage"]["input_tokens"] > 0
    assert outcome.result["usage"]["output_tokens"] > 0
    assert [line["stream"] for line in outcome.lines] == ["stdout", "stdout"]


def test_langgraph_takes_the_branch(environment_of: Callable[[str], str]) -> None:
    python = environment_of("langgraph_workflow")
    urgent = run(source("langgraph_workflow"), query="My server is down!", python=python)
    assert urgent.response["trail"] == ["classify", "escalate"]
    assert any(line["level"] == "warning" for line in urgent.lines)
    calm = run(source("langgraph_workflow"), query="Where is the handbook?", python=python)
    assert calm.response["trail"] == ["classify", "answer"]


def test_langgraph_graphs_are_entry_points_themselves(environment_of: Callable[[str], str]) -> None:
    code = """
        from langchain_core.messages import AIMessage
        from langgraph.graph import START, MessagesState, StateGraph
        def reply(state):
            text = f"You said: {state['messages'][-1].content}"
            usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
            return {"messages": [AIMessage(text, usage_metadata=usage)]}
        graph = StateGraph(MessagesState)
        graph.add_node("reply", reply)
        graph.add_edge(START, "reply")
        agent = graph.compile()
        message = lambda query: AIMessage("only this")
    """
    python = environment_of("langgraph_workflow")
    outcome = run(code, query="hello", python=python)
    assert outcome.response["messages"] == ["hello", "You said: hello"]
    assert outcome.result["usage"] == {"input_tokens": 3, "output_tokens": 4}
    assert run(code, entrypoint="message", python=python).response == "only this"

    workflow = run(
        source("langgraph_workflow"), entrypoint="agent:workflow", query='{"text": "all is lost"}', python=python
    )
    assert workflow.response["kind"] == "incident"


def test_ollama_streams_from_a_real_server(environment_of: Callable[[str], str]) -> None:
    python = environment_of("ollama_chat")
    with running_ollama() as ollama:
        env = {"OLLAMA_BASE_URL": ollama.url, "MODEL_ID": "llama3.2"}
        outcome = run(source("ollama_chat"), query="What is six times seven?", python=python, env=env)
        missing = run(source("ollama_chat"), query="x", python=python, env={**env, "MODEL_ID": "gone"})
        whole = run(
            "import ollama, os\ndef run(q):\n    server = ollama.Client(host=os.environ['OLLAMA_BASE_URL'])\n"
            "    return server.chat('llama3.2', [{'role': 'user', 'content': q}])",
            query="hello",
            python=python,
            env=env,
        )
    assert outcome.response["answer"] == "You asked: What is six times seven? My answer is 42."
    assert outcome.result["usage"] == {"input_tokens": 9, "output_tokens": 11}
    assert len(outcome.lines) == 12
    assert missing.code == "AGENT_EXCEPTION"
    assert "model 'gone' not found" in missing.message
    assert whole.response == "You asked: hello My answer is 42."
    assert whole.result["usage"] == {"input_tokens": 1, "output_tokens": 7}
    assert [request["stream"] for request in ollama.requests] == [True, True, False]


def test_ollama_that_is_not_there_is_an_exception_of_the_agent(environment_of: Callable[[str], str]) -> None:
    env = {"OLLAMA_BASE_URL": "http://127.0.0.1:9", "MODEL_ID": "llama3.2"}
    outcome = run(source("ollama_chat"), python=environment_of("ollama_chat"), env=env)
    assert outcome.code == "AGENT_EXCEPTION"
    assert outcome.result["error"]["type"] == "httpx.ConnectError"


def test_the_failing_agent_fails_with_its_reason() -> None:
    outcome = run(source("fails.py"))
    assert outcome.code == "AGENT_EXCEPTION"
    assert outcome.result["error"]["type"] == "LookupError"
    assert outcome.message == "cake is not on the menu"
    assert "in price_of" in outcome.result["error"]["traceback"]


def test_the_hanging_agent_is_stopped_and_shows_where_it_waited() -> None:
    outcome = run(source("hangs.py"), timeout_s=1)
    assert outcome.code == "TIMED_OUT"
    assert "in wait_for_the_other_side" in outcome.text


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit is not installed (Debian package: util-linux)")
def test_the_agent_that_eats_memory_meets_its_limit() -> None:
    with started(context(source("eats_memory.py")), before=["prlimit", f"--as={512 << 20}"]) as harness:
        outcome = harness.ended()
    assert outcome.code == "AGENT_EXCEPTION"
    assert outcome.result["error"]["type"] == "MemoryError"
    assert outcome.lines[-1]["text"].startswith("INFO: holding")
    assert 100 << 20 < outcome.result["peak_memory_bytes"] < 512 << 20
