"""The real packages of frameworks, in one environment, against a server that talks as OpenAI's does.

Skipped where they cannot be installed. What they return is found the same way in look-alikes (test_conversions.py)."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.unit.harness.started import Outcome, run

pytestmark = pytest.mark.slow

TEXT = "Paris is the capital."
REQUIREMENTS = (
    "strands-agents[openai]",
    "openai-agents",
    "pydantic-ai-slim",
    "langchain-core",
    "agno",
    "autogen-agentchat",
    "anthropic",
    "pandas",
    "polars",
)
INSTALL_S = 180


class Model(BaseHTTPRequestHandler):
    """Chat completions, streamed or not, and responses: always the same text."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        made: dict[str, Any] = {"id": "c", "created": 1, "model": "fake"}
        if asked.get("stream"):
            deltas = [{"role": "assistant", "content": piece} for piece in ("Paris ", "is the ", "capital.")]
            choices: list[list[dict[str, Any]]] = [
                [{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas
            ]
            choices.append([{"index": 0, "delta": {}, "finish_reason": "stop"}])
            chunks: list[dict[str, Any]] = [
                {**made, "object": "chat.completion.chunk", "choices": choice} for choice in choices
            ]
            chunks[-1]["usage"] = usage
            lines = [*map(json.dumps, chunks), "[DONE]"]
            self._send("text/event-stream", "".join(f"data: {line}\n\n" for line in lines))
            return
        message = {"role": "assistant", "content": TEXT}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self._send(
            "application/json",
            json.dumps({**made, "object": "chat.completion", "choices": [choice], "usage": usage}),
        )

    def _send(self, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that has all of them; in the cache of uv they are after the first time."""
    folder = tmp_path_factory.mktemp("frameworks") / "env"
    uv = str(Path(sys.executable).with_name("uv"))
    commands = (
        [uv, "venv", "--quiet", "--python", "/usr/bin/python3", str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(folder / "bin/python"), *REQUIREMENTS],
    )
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=INSTALL_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"the frameworks cannot be installed here: {error}")
        if done.returncode:
            pytest.skip(f"the frameworks cannot be installed here: {done.stderr[-500:]}")
    return str(folder / "bin/python")


OPENAI_AGENT = """
from agents import Agent, Runner, OpenAIChatCompletionsModel, set_tracing_disabled
from openai import AsyncOpenAI
import os
set_tracing_disabled(True)
client = AsyncOpenAI(api_key="x", base_url=os.environ["BASE"])
agent = Agent(name="Assistant", model=OpenAIChatCompletionsModel(model="fake", openai_client=client))
"""
USED = {"input_tokens": 7, "output_tokens": 5}
COUNTED: dict[str, int] = {}  # as the version at hand counts

# the agent, its answer, how it was got, its tokens
AGENTS: dict[str, tuple[str, Any, str, dict[str, int] | None]] = {
    "strands": (  # case 8
        """
        import os
        from strands import Agent
        from strands.models.openai import OpenAIModel
        model = OpenAIModel(client_args={"api_key": "x", "base_url": os.environ["BASE"]}, model_id="fake")
        agent = Agent(model=model, callback_handler=None)
        def invoke(payload): return agent("Where?")
        """,
        TEXT,
        "str",
        USED,
    ),
    "openai-agents": (  # case 9
        f"{OPENAI_AGENT}\nasync def main(query): return await Runner.run(agent, query)",
        TEXT,
        ".final_output",
        USED,
    ),
    "openai-agents, streamed": (
        f"{OPENAI_AGENT}\nasync def main(query): return Runner.run_streamed(agent, query)",
        TEXT,
        ".final_output",
        USED,
    ),
    "agno": (
        """
        import os
        from agno.agent import Agent
        from agno.models.openai import OpenAIChat
        def run(query): return Agent(model=OpenAIChat(id="fake", api_key="x", base_url=os.environ["BASE"])).run(query)
        """,
        TEXT,
        ".content",
        USED,
    ),
    "agno, streamed": (
        """
        import os
        from agno.agent import Agent
        from agno.models.openai import OpenAIChat
        def run(query):
            return Agent(model=OpenAIChat(id="fake", api_key="x", base_url=os.environ["BASE"])).run(query, stream=True)
        """,
        TEXT,
        ".content, and 2 more",
        None,
    ),
    "openai": (
        """
        import os
        from openai import OpenAI
        def run(query):
            client = OpenAI(api_key="x", base_url=os.environ["BASE"])
            return client.chat.completions.create(model="fake", messages=[{"role": "user", "content": query}])
        """,
        TEXT,
        ".choices.0.message.content",
        USED,
    ),
    "openai, streamed": (
        """
        import os
        from openai import AsyncOpenAI
        async def run(query):
            client = AsyncOpenAI(api_key="x", base_url=os.environ["BASE"])
            messages = [{"role": "user", "content": query}]
            return await client.chat.completions.create(model="fake", messages=messages, stream=True)
        """,
        TEXT,
        ".delta, and 3 more",
        USED,
    ),
    "pydantic-ai": (
        """
        from pydantic_ai import Agent
        from pydantic_ai.models.test import TestModel
        def run(query): return Agent(TestModel(custom_output_text="Paris")).run_sync(query)
        """,
        "Paris",
        ".output",
        COUNTED,
    ),
    "langchain": (
        """
        from langchain_core.messages import AIMessage
        USED = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
        def run(query): return AIMessage(content=[{"type": "text", "text": "Paris"}], usage_metadata=USED)
        """,
        "Paris",
        ".content",
        USED,
    ),
    "autogen": (
        """
        from autogen_agentchat.base import TaskResult
        from autogen_agentchat.messages import TextMessage
        from autogen_core.models import RequestUsage
        def run(query):
            asked = TextMessage(content=query, source="user")
            used = RequestUsage(prompt_tokens=7, completion_tokens=5)
            return TaskResult(messages=[asked, TextMessage(content="Paris", source="a", models_usage=used)])
        """,
        "Paris",
        ".messages.-1",
        USED,
    ),
    "anthropic": (
        """
        from anthropic.types import Message, TextBlock, Usage
        def run(query):
            usage = Usage(input_tokens=7, output_tokens=5)
            content = [TextBlock(type="text", text="Paris")]
            return Message(id="m", type="message", role="assistant", model="c", usage=usage, content=content)
        """,
        "Paris",
        ".content",
        USED,
    ),
    "polars": (
        """
        import datetime, polars
        def run(query): return polars.DataFrame({"n": [1, 2], "day": [datetime.date(2026, 1, 2), None]})
        """,
        [{"n": 1, "day": "2026-01-02"}, {"n": 2, "day": None}],
        "to_dicts",
        None,
    ),
    "numpy and pandas": (  # case 18
        """
        import numpy as np, pandas as pd
        def run(query):
            frame = pd.DataFrame({"day": pd.to_datetime(["2026-01-01", "2026-01-02"]), "n": [1, 2]})
            return [frame["n"].max(), {"mean": frame["n"].mean(), "total": np.int64(3), "list": np.array([1, 2]),
                    "nan": np.float64("nan"), "when": np.datetime64("2026-01-01T10:00"), "grid": np.eye(2, dtype=int),
                    "frame": frame, "by day": frame.set_index("day"), "column": frame["n"], "nothing": [pd.NaT, pd.NA],
                    "counts": frame["n"].value_counts().sort_index(), "true": np.bool_(True),
                    "long": np.longdouble(1.5), "twice": pd.concat([frame["n"], frame["n"]], axis=1)}]
        """,
        [
            2,
            {
                "mean": 1.5,
                "total": 3,
                "list": [1, 2],
                "nan": None,
                "when": "2026-01-01T10:00",
                "grid": [[1, 0], [0, 1]],
                "frame": [{"day": "2026-01-01T00:00:00", "n": 1}, {"day": "2026-01-02T00:00:00", "n": 2}],
                "by day": [{"day": "2026-01-01T00:00:00", "n": 1}, {"day": "2026-01-02T00:00:00", "n": 2}],
                "column": [1, 2],
                "nothing": [None, None],
                "counts": {"1": 1, "2": 1},
                "true": True,
                "long": "1.5",
                "twice": {"columns": ["n", "n"], "rows": [[1, 1], [2, 2]]},
            },
        ],
        "item",
        None,
    ),
}


@pytest.fixture(scope="module")
def outcomes(python: str, model: str) -> dict[str, Outcome]:
    return {
        name: run(
            textwrap.dedent(code),
            python=python,
            env={"BASE": model, "OPENAI_API_KEY": "x"},
            timeout_s=60,
            query="Where?",
        )
        for name, (code, *_) in AGENTS.items()
    }


@pytest.mark.parametrize("name", AGENTS)
def test_what_the_real_package_returns_is_found(outcomes: dict[str, Outcome], name: str) -> None:
    _, answer, how, usage = AGENTS[name]
    outcome = outcomes[name]
    assert outcome.response == answer
    assert outcome.result["conversions"][0]["how"] == how
    assert outcome.result["usage"] == usage or (usage is COUNTED and outcome.result["usage"])


def test_a_streamed_text_is_one_line_of_the_log(outcomes: dict[str, Outcome]) -> None:
    for name in ("openai, streamed", "openai-agents, streamed", "agno, streamed"):
        assert [line["text"] for line in outcomes[name].lines if line["stream"] == "stdout"] == [TEXT]
