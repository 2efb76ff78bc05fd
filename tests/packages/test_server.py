"""The server that a package brings along, as a plain process."""

import ast
import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.orchestrator.specification import model_variables
from services.packager.content import ModelFacts, PackageFacts
from services.packager.content.environment import defaults
from shared.store.documents import ModelSetting
from tests.support.package_facts import facts, unpacked
from tests.support.package_server import PackageServer, serving
from tests.support.until import until

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "services/packager/templates/server.py"
HARNESS = ROOT / "services/orchestrator/harness/test_runner.py"
REST = HARNESS.with_name("test_runner_rest.py")
EXAMPLES = ROOT / "examples"

Pack = Callable[..., Path]


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """A package of this code, unpacked."""

    def make(code: str, **changes: object) -> Path:
        return unpacked(facts(agent_code=code, **changes), tmp_path / "unpacked")

    return make


def test_the_rules_of_the_server_are_those_of_the_harness() -> None:
    """Word for word: an agent that passed its test is called in the same way."""

    def definitions(path: Path) -> dict[str, str]:
        tree = ast.parse(path.read_text("utf-8"))
        return {
            node.name: ast.dump(node) for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }

    ours, theirs = definitions(SERVER), {**definitions(HARNESS), **definitions(REST)}
    same = {name for name in ours if theirs.get(name) == ours[name]}
    assert same >= {
        *("find_entry", "_named", "candidates_of", "decided", "parameters_of", "place_of", "bind", "value_for"),
        *("framework_plan", "graph_input", "command_plan", "call_entry", "_consume"),
        *("collected", "conversions_for", "fitted", "usage_of"),
        *("load_agent", "place_in_project", "script_of", "printed_answer"),
    }
    assert ours.keys() & theirs.keys() - same == set()


@pytest.mark.parametrize(
    ("example", "query", "expected"),
    [
        ("plain_function.py", "one two three", {"words": 3, "longest": "three"}),
        ("document_search.py", "How long do refunds take?", {"source": "refunds"}),
    ],
)
def test_examples_answer_as_in_their_test(example: str, query: str, expected: dict[str, object], pack: Pack) -> None:
    with serving(pack((EXAMPLES / example).read_text("utf-8"))) as server:
        reply = server.ask(query)
    assert reply.status == 200, reply
    assert expected.items() <= reply.body["response"].items()


def test_an_agent_that_takes_nothing_answers_only_those_who_ask_nothing(pack: Pack) -> None:
    with serving(pack("def main(): return 7")) as server:
        refused = server.ask("hi")
        assert refused.status == 500
        assert refused.body["error"]["code"] == "QUERY_NOT_ACCEPTED"
        assert server.ask(None)[:2] == (200, {"response": 7})


def test_a_generator_that_thinks_aloud_answers_with_all_it_yields(pack: Pack) -> None:
    with serving(pack((EXAMPLES / "async_generator.py").read_text("utf-8"))) as server:
        response = server.ask("count").body["response"]
    assert response[0] == {"step": "understand", "thought": "I was asked: count"}
    assert response[-1] == {"step": "answer", "answer": "I counted to 5."}


KINDS = {
    "function": ("def run(q): return q.upper()", "HI"),
    "async function": ("import asyncio\nasync def run(q):\n    await asyncio.sleep(0)\n    return q", "hi"),
    "generator": ("def run(q):\n    yield q\n    yield '!'", "hi!"),
    "generator of values": ("def run(q):\n    yield 1\n    yield q", [1, "hi"]),
    "async generator": ("async def run(q):\n    yield q", "hi"),
    "object with invoke": ("class A:\n    def invoke(self, q): return {'a': q}\nagent = A()", {"a": "hi"}),
    "object with run_sync": ("class A:\n    def run_sync(self, q): return q * 2\nagent = A()", "hihi"),
    "object with an async run": ("class A:\n    async def run(self, q): return q\nagent = A()", "hi"),
    "object that is called": ("class A:\n    def __call__(self, q): return [q]\nagent = A()", ["hi"]),
    "class": ("class handle:\n    def __call__(self, q): return None", None),
    "dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass R:\n    x: int\ndef run(q): return R(3)",
        {"x": 3},
    ),
    "its own folder": (
        "import os\ndef run(q):\n    open('note', 'w').write(q)\n    return sorted(os.listdir())",
        ["agent.py", "in", "note", "out"],
    ),
    "set": ("def run(q): return {2, 1}", [1, 2]),
    "named tuple": (
        "from collections import namedtuple\ndef run(q): return namedtuple('P', 'x')(b'abc')",
        {"x": "YWJj"},
    ),
    "iterator": ("def run(q): return map(str.upper, [q, q])", "HIHI"),
    "text of all kinds": ("def run(q): return 'ü\\U0001f600\\u2028'", "ü\U0001f600\u2028"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_agent_answers(kind: str, pack: Pack) -> None:
    code, expected = KINDS[kind]
    with serving(pack(code)) as server:
        assert server.ask("hi")[:2] == (200, {"response": expected})
        assert server.ask("hi").status == 200, "it answers once only"


def test_the_entry_point_of_the_test_is_called(pack: Pack) -> None:
    with serving(pack("def run(q): return 1\ndef other(q): return 2", entrypoint="agent:other")) as server:
        assert server.ask("x").body == {"response": 2}


SCRIPT = """
import os, sys
print("about to answer", file=sys.stderr)
if __name__ == "__main__":
    if sys.argv[1:] == ["fail"]:
        sys.exit(3)
    if sys.argv[1:] == ["raise"]:
        raise ValueError("as told")
    print("asked", sys.argv[1:], sys.stdin.read(), os.environ.get("ASSAY_QUERY"))
    print("counted", globals().setdefault("runs", 1), os.path.basename(__file__), os.path.exists("agent.py"))
"""


def test_a_script_is_run_for_each_query_and_its_output_is_the_answer(pack: Pack) -> None:
    with serving(pack(SCRIPT, entrypoint="__main__")) as server:
        for query in ("hi", "ü 'x'"):
            said = f"asked [{query!r}] {query} {query}\ncounted 1 agent.py True"
            assert server.ask(query)[:2] == (200, {"response": said})
        assert server.ask(None)[:2] == (200, {"response": "asked []  None\ncounted 1 agent.py True"})
        for query, how in (("fail", "exit code 3"), ("raise", "exit code 1")):
            failed = server.ask(query)
            assert (failed.status, failed.body["error"]["code"]) == (500, "SCRIPT_FAILED")
            assert how in failed.body["error"]["message"]
        assert server.ask("hi").status == 200
        assert "asked ['hi'] hi hi" in server.said
        assert "ValueError: as told" in server.said


async def test_a_script_that_hangs_is_ended(pack: Pack) -> None:
    code = "import sys, time\nif sys.argv[1:] == ['wait']:\n    time.sleep(60)\nprint('{\"a\": 1}')"
    with serving(pack(code, entrypoint="agent:__main__"), TIMEOUT_S="4") as server:
        assert server.ask("wait").status == 504
        assert server.ask("go")[:2] == (200, {"response": {"a": 1}})


def test_python_and_what_requirements_bring_along_are_on_path(pack: Pack) -> None:
    code = "import shutil\ndef run(q): return shutil.which('python')"
    with serving(pack(code)) as server:
        assert server.ask("hi").body["response"] == str(Path(sys.executable).parent / "python")


def test_what_an_async_agent_keeps_stays_usable(pack: Pack) -> None:
    code = (
        "import asyncio\nlock = None\nasync def run(q):\n    global lock\n    loop = asyncio.get_running_loop()\n"
        "    lock = lock or (loop, asyncio.Lock())\n    async with lock[1]:\n        await asyncio.sleep(0)\n"
        "    return lock[0] is loop"
    )
    with serving(pack(code)) as server:
        assert [server.ask("x").body for _ in range(3)] == [{"response": True}] * 3


PROBLEMS = {
    "exception": ("def run(q): raise ValueError('s3cret')", 500, "AGENT_EXCEPTION"),
    "sys.exit": ("import sys\ndef run(q): sys.exit(0)", 502, "AGENT_EXITED"),
    "crash": ("import os\ndef run(q): os.abort()", 502, "AGENT_EXITED"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_an_agent_that_fails_costs_one_answer(problem: str, pack: Pack) -> None:
    code, status, name = PROBLEMS[problem]
    code = code.replace("def run(q): ", "def run(q):\n    if q == 'well': return 'well'\n    ")
    with serving(pack(code)) as server:
        reply = server.ask("x")
        assert (reply.status, reply.body["error"]["code"]) == (status, name)
        assert "s3cret" not in json.dumps(reply.body), "what an exception says is for the log"
        assert server.ask("well")[:2] == (200, {"response": "well"})


async def test_an_agent_that_hangs_is_ended_and_replaced(pack: Pack, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        f"import os, time\nopen({str(pids)!r}, 'a').write(f'{{os.getpid()}} ')\n"
        "def run(q):\n    while q: time.sleep(1)\n    return 'ok'"
    )
    with serving(pack(code), TIMEOUT_S="4") as server:
        reply = server.ask("x")
        assert (reply.status, reply.body["error"]["code"]) == (504, "TIMED_OUT")
        assert server.ask("")[:2] == (200, {"response": "ok"})
        first = int(pids.read_text().split()[0])
        await until(lambda: not Path(f"/proc/{first}").exists())


def test_an_agent_that_cannot_be_loaded_ends_the_server_and_says_why(pack: Pack) -> None:
    with serving(pack("import no_such_module_anywhere"), ready=False) as server:
        assert server.process.wait(30) == 1
        assert "no_such_module_anywhere" in server.said


async def test_a_worker_that_dies_between_queries_costs_nothing(pack: Pack) -> None:
    code = (
        "import os, threading\ndef run(q):\n    if q: threading.Timer(0.05, os._exit, [1]).start()\n"
        "    return os.getpid()"
    )
    with serving(pack(code)) as server:
        pid = server.ask("x").body["response"]
        await until(lambda: _is_gone(pid))
        assert server.ask("").status == 200


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_queries_beside_one_another_share_the_workers(pack: Pack) -> None:
    with serving(pack("import time\ndef run(q):\n    time.sleep(0.3)\n    return q"), WORKERS="4") as server:
        answers: list[object] = []
        threads = [threading.Thread(target=lambda n=n: answers.append(server.ask(str(n)).body)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(map(str, answers)) == [f"{{'response': '{n}'}}" for n in range(8)]


SLOW = "import time\ndef run(q):\n    open({begun!r}, 'w').close()\n    time.sleep(1)\n    return 'done'"


async def test_who_waits_too_long_is_told_to_come_again(pack: Pack, tmp_path: Path) -> None:
    with serving(pack(SLOW.format(begun=str(tmp_path / "begun"))), WORKERS="1", WAIT_S="0.1") as server:
        first = threading.Thread(target=server.ask, args=("x",))
        first.start()
        await until((tmp_path / "begun").exists)
        reply = server.ask("x")
        first.join()
    assert (reply.status, reply.body["error"]["code"], reply.headers["Retry-After"]) == (503, "BUSY", "1")


ECHO = "def run(q): return q"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/query", b"{", {}, 400),
        ("POST", "/query", b"[]", {}, 400),
        ("POST", "/query", b'{"query": 1}', {}, 400),
        ("POST", "/query", b"\xff\xfe", {}, 400),
        ("POST", "/query", b"[" * 100_000, {}, 400),
        ("POST", "/query", None, {"Content-Length": "-1"}, 411),
        ("POST", "/query", None, {"Content-Length": "x"}, 411),
        ("POST", "/query", None, {"Transfer-Encoding": "chunked"}, 411),
        ("POST", "/query", None, {"Content-Length": "99999999999999"}, 413),
        ("POST", "/elsewhere", b"{}", {}, 404),
        ("GET", "/query", None, {}, 405),
        ("GET", "/", None, {}, 404),
        ("GET", "/healthz?x=1", None, {}, 200),
        ("POST", "/query?x=1", b'{"query": "a"}', {"Content-Type": "text/plain"}, 200),
    ],
)
def test_odd_requests_get_an_answer(
    method: str, path: str, body: bytes | None, headers: dict[str, str], status: int, echo: PackageServer
) -> None:
    reply = echo.send(method, path, body, headers)
    assert reply.status == status, reply
    assert status == 200 or reply.body["error"]["message"]
    assert echo.ask("still there").status == 200


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageServer]:
    """A server for those who do not change it."""
    with serving(unpacked(facts(agent_code=ECHO), tmp_path_factory.mktemp("echo"))) as server:
        yield server


def test_a_connection_serves_many_queries(echo: PackageServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", echo.port, timeout=10)
    for number in range(5):
        connection.request("POST", "/query", json.dumps({"query": str(number)}))
        assert json.loads(connection.getresponse().read()) == {"response": str(number)}
    connection.close()


def test_a_client_that_leaves_in_the_middle_harms_nobody(echo: PackageServer) -> None:
    for text in (b"", b"POST /query HTTP/1.1\r\nContent-Length: 100\r\n\r\n{", b"\x16\x03\x01\x00garbage\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", echo.port)) as connection:
            connection.sendall(text)
    assert echo.ask("x").body == {"response": "x"}


def test_with_a_token_only_who_has_it_is_answered_and_the_agent_does_not_see_it(pack: Pack) -> None:
    with serving(pack("import os\ndef run(q): return dict(os.environ)"), API_TOKEN="t0ken") as server:
        body = b'{"query": "x"}'
        assert server.send("POST", "/query", body).status == 401
        assert server.send("POST", "/query", body, {"Authorization": "Bearer wrong"}).status == 401
        assert server.send("POST", "/query", body, {"Authorization": "Bearer \xfc"}).status == 401
        assert server.send("GET", "/healthz").status == 200
        reply = server.send("POST", "/query", body, {"Authorization": "Bearer t0ken"})
    assert reply.status == 200
    assert "t0ken" not in reply.body["response"].values()


def test_the_agent_gets_the_model_setting_of_the_test_unless_the_environment_says_otherwise(pack: Pack) -> None:
    model = ModelFacts("bedrock", "us.amazon.nova-lite-v1:0", "", "eu-west-1")
    folder = pack("import os\ndef run(q): return dict(os.environ)", model=model, env_names=("GREETING",))
    with serving(folder, AWS_REGION="us-west-2") as server:
        seen = server.ask("x").body["response"]
        assert "GREETING" in server.said.splitlines()[0]
    assert (seen["MODEL_PROVIDER"], seen["BEDROCK_MODEL_ID"]) == ("bedrock", model.model_id)
    assert seen["AWS_REGION"] == "us-west-2"


@pytest.mark.parametrize("provider", ["ollama", "bedrock", "openai"])
@pytest.mark.parametrize("rest", [("m", "http://x:1/v1", "us-east-1"), ("", "", "")])
def test_the_model_setting_becomes_the_same_variables_as_in_the_test(provider: str, rest: tuple[str, str, str]) -> None:
    stored = ModelSetting(provider=provider, model_id=rest[0], base_url=rest[1], region=rest[2])
    of: PackageFacts = facts(model=ModelFacts(provider, *rest))
    assert defaults(of) == model_variables(stored)


async def test_sigterm_lets_running_queries_end_and_takes_no_new_ones(pack: Pack, tmp_path: Path) -> None:
    with serving(pack(SLOW.format(begun=str(tmp_path / "begun")))) as server:
        replies: list[object] = []
        asking = threading.Thread(target=lambda: replies.append(server.ask("x")[:2]))
        asking.start()
        await until((tmp_path / "begun").exists)
        before = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - before < 5
        asking.join()
    assert replies == [(200, {"response": "done"})]


async def test_nothing_is_left_behind(pack: Pack, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with serving(pack("import os\ndef run(q): return os.getpid()"), TMPDIR=str(temporary), WORKERS="2") as server:
        pid = server.ask("x").body["response"]
        assert server.end() == 0
    await until(lambda: _is_gone(pid))
    assert [*temporary.iterdir()] == []
