"""Random words in every place where a secret may be, one installation at work with all of them, and a look at every
place where none may turn up. `ALLOWED` says where one is all the same, and why; everything else fails."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import secrets
import stat
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import grpc
import nats
import nats.js.errors
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from assay.v1 import test_pb2, test_service_pb2, test_service_pb2_grpc
from deploy.local.credentials import USER
from tests.support.local_mode import Command, LocalMode, Ran, local_mode, skip_without_sandbox
from tests.support.servers import in_own_loop
from tests.support.until import until

ALLOWED: Final[Mapping[tuple[str, str], str]] = {
    ("agent code", "documents"): "what is encrypted at rest is queries and values of environments",
    ("agent code", "packages"): "a package is the agent",
    ("query", "packages"): "the example of the README that its owner asks for",
    ("query", "answers"): "its owner is shown what they asked",
    ("the other query", "answers"): "its owner is shown what they asked",
    ("API key", "api-key"): "what the command line finds",
    ("API key", "client.json"): "what the SDK finds",
    ("API key", "credentials.json"): "where it is kept",
    **{
        (name, "credentials.json"): "where it is kept"
        for name in ("nats_password", "nats_listener_password", "mongo_password", "mongo_key", "internal_secret")
    },
    ("aws_secret_key", "credentials.json"): "where it is kept",
    ("aws_access_key", "credentials.json"): "where it is kept; and no secret",
    ("agent code", "aws"): "packages: the emulated S3 of local mode",
    ("query", "aws"): "packages: the emulated S3 of local mode",
    ("nats_password", "nats"): "the configuration of nats-server, which local mode writes at each start",
    ("nats_listener_password", "nats"): "the configuration of nats-server, which local mode writes at each start",
    ("console_secret", "credentials.json"): "where it is kept",
    ("mongo_key", "mongo.key"): "mongod reads it",
    ("nats_listener_password", "client.json"): "what a listener finds",
}
"""(what, where): why."""

CODE: Final = """import os, time
PART = {word!r}
def run(query):
    print("at work", flush=True)
    assert os.environ["FROM_ENV"] and os.environ["FROM_STORE"]
    if query.startswith("wait"):
        time.sleep(15)
    if query.startswith("fail"):
        raise ValueError("no")
    return "done"
"""


def word(name: str) -> str:
    return f"canary-{name}-{secrets.token_hex(16)}"


def spellings(value: str) -> list[bytes]:
    """As it may be written somewhere."""
    plain = value.encode()
    return [
        *(plain, plain.hex().encode(), plain[::-1], json.dumps(value)[1:-1].encode()),
        *(base64.b64encode(b" " * n + plain)[4:-4] for n in range(3)),
    ]


class Canaries:
    """The words, and where they were seen."""

    def __init__(self) -> None:
        self.words: dict[str, list[bytes]] = {}
        self.seen: set[tuple[str, str]] = set()
        self.environments = 0

    def add(self, name: str, value: str) -> str:
        assert len(value) >= 16
        self.words[name] = spellings(value)
        return value

    def look(self, where: str, data: bytes | str) -> None:
        found = data.encode() if isinstance(data, str) else data
        for name, ways in self.words.items():
            if any(way in found for way in ways):
                self.seen.add((name, where))


@contextmanager
def watching_commands(canaries: Canaries) -> Iterator[None]:
    """Looks at the command line of every process, and at the environment of those of other users, all the while. What
    the test itself starts is what a user types, and is left out."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            for folder in Path("/proc").iterdir():
                if not folder.name.isdigit():
                    continue
                try:
                    line = (folder / "cmdline").read_bytes()
                    if b"/assay\0" in line:
                        continue
                    canaries.look("command lines", line)
                    if folder.stat().st_uid != os.geteuid():
                        canaries.look("environments", (folder / "environ").read_bytes())
                        canaries.environments += 1
                except OSError:
                    continue  # it has ended

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


async def messages(server: LocalMode, password: str) -> list[bytes]:
    """All that all streams have."""
    port = json.loads((server.folder / "ports.json").read_text())["nats"]
    bus = await nats.connect(f"nats://{USER}:{password}@127.0.0.1:{port}")
    found: list[bytes] = []
    try:
        js = bus.jetstream()
        for stream in await js.streams_info():
            assert stream.config.name
            for number in range(max(1, stream.state.first_seq), stream.state.last_seq + 1):
                try:
                    message = await js.get_msg(stream.config.name, number)
                except nats.js.errors.NotFoundError:
                    continue
                found.append(repr((message.subject, message.headers)).encode() + (message.data or b""))
    finally:
        await bus.close()
    return found


def look_at_documents(canaries: Canaries, url: str) -> int:
    """All databases, with what the replica set remembers of each change where one may look at it."""
    count = 0
    client: MongoClient[dict[str, Any]] = MongoClient(url)
    with client:
        for database in client.list_database_names():
            for collection in client[database].list_collection_names():
                with suppress(OperationFailure):  # the server's own, which even its administrator may not read
                    for document in client[database][collection].find():
                        canaries.look("documents", repr(document))
                        count += 1
    return count


def look_at_files(canaries: Canaries, server: LocalMode) -> list[str]:
    """What is in the files of the data folder, and which of them others may read. Files of the servers are named by
    their folder."""
    open_to_others = []
    for path in server.folder.rglob("*"):
        kind = path.lstat()
        if not stat.S_ISREG(kind.st_mode):
            continue
        before = len(canaries.seen)
        place = path.relative_to(server.folder).parts
        canaries.look("documents" if place[0] == "mongo" else place[0], path.read_bytes())
        if len(canaries.seen) > before and kind.st_mode & 0o077:
            open_to_others.append(str(path))
    return open_to_others


def browser_session(server: LocalMode, link: str) -> str:
    """The cookie of a browser that follows a link of `assay open`, which signs it in."""
    code = re.search(r"https?://([^/]+)(/\S+)", link)
    assert code is not None, link
    host, path = code[1], code[2]
    port = host.rpartition(":")[2]
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host})

    class Stays(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any, **__: Any) -> None:
            return None

    try:
        answer = urllib.request.build_opener(Stays).open(request, timeout=30)
    except urllib.error.HTTPError as redirected:
        answer = redirected
    cookies = " ".join(answer.headers.get_all("set-cookie") or [])
    found = re.search(r"assay_session=([^;]{16,})", cookies)
    assert found is not None, (answer.status, answer.headers)
    return found[1]


def bad_calls(server: LocalMode, password: str, wrong_key: str) -> str:
    """What clients are told of an address with a password in it, of a requirement with one, and of a wrong key."""
    known = server.known
    said = ""
    spec = test_pb2.TestSpec(agent_code="def run(query):\n    return 1\n", query="x")
    spec.model.provider, spec.model.model_id = "ollama", "m"
    spec.model.base_url = f"https://user:{password}@models.example/v1"
    spec.requirements.append(f"demo @ https://user:{password}@models.example/demo.whl")
    with grpc.insecure_channel(known["address"]) as channel:
        for key in (known["api_key"], wrong_key):
            try:
                test_service_pb2_grpc.TestServiceStub(channel).SubmitTest(
                    test_service_pb2.SubmitTestRequest(spec=spec),
                    metadata=(("authorization", f"Bearer {key}"),),
                    timeout=30,
                )
            except grpc.RpcError as error:
                status: Any = error
                said += f"{status.code()} {status.details()} {status.trailing_metadata()}\n"
    assert "INVALID_ARGUMENT" in said
    assert "UNAUTHENTICATED" in said
    return said


def made_key(*words: str) -> str:
    ran = subprocess.run([sys.executable, "-m", "deploy.admin", *words], capture_output=True, text=True, check=True)
    return ran.stdout


def test_a_word_is_seen_however_it_is_written() -> None:
    canaries = Canaries()
    value = canaries.add("it", word("it"))
    for number, way in enumerate(spellings(value)):
        canaries.look(str(number), b"before " + way + b" after")
    canaries.look("elsewhere", "something else")
    assert canaries.seen == {("it", str(number)) for number in range(len(spellings(value)))}


def test_no_secret_turns_up_where_it_does_not_belong(tmp_path: Path) -> None:
    skip_without_sandbox()
    canaries = Canaries()
    stored = canaries.add("secret", word("secret"))
    folder = tmp_path / "secrets"
    (folder / "dev").mkdir(parents=True)
    (folder / "dev" / "key").write_text(stored)
    (folder / "dev" / "key").chmod(0o400)
    encryption = re.search(r"k1:(\S+)", made_key("encryption-key", "k1"))
    assert encryption is not None
    canaries.add("encryption key", encryption[1])
    signing = tmp_path / "signing.pem"
    made_key("signing-key", str(signing), "--new")
    canaries.add("signing key", max(signing.read_text().splitlines(), key=len))
    query, other = (canaries.add(name, word("query")) for name in ("query", "the other query"))
    environment = canaries.add("environment", word("env"))
    code = canaries.add("agent code", word("code"))
    password, wrong = canaries.add("password of a URL", word("url")), canaries.add("wrong key", word("wrong"))
    settings = {
        "ASSAY_LOG_LEVEL": "debug",
        "ASSAY_ENCRYPTION_KEYS": encryption[0],
        "ASSAY_PACKAGER_SIGNING_KEY": str(signing),
        "ASSAY_PROCESS_SECRETS_DIR": str(folder),
    }
    answers: list[Ran] = []
    with watching_commands(canaries), local_mode(tmp_path / ".assay", **settings) as server:
        credentials = json.loads((server.folder / "credentials.json").read_text())
        for name, value in credentials.items():
            canaries.add("API key" if name == "api_key" else name, value)
        assay = Command(tmp_path)
        agent = assay.file("agent.py", CODE.format(word=code))
        given = ("--env", f"FROM_ENV={environment}", "--secret", "FROM_STORE=dev/key")
        passed = assay("submit", agent, "-q", query, *given, "--follow")
        assert passed.code == 0, passed
        answers += [passed, assay("package", "last", "--download", tmp_path), assay("show", "last", "--json")]
        answers += [assay("submit", agent, "-q", f"fail {query}", *given, "--follow")]
        answers += [assay("retry", "last", "-q", f"fail {other}", "--follow")]
        answers += [assay("list"), assay("logs", "last"), assay("audit"), assay("chain", "last")]
        errors = bad_calls(server, password, wrong)
        opened = assay("open", "--print")
        link = re.search(r"code=([^&\s]{16,})", opened.out)
        assert link is not None, opened
        cookie = browser_session(server, opened.out)
        canaries.add("one-time link", link[1])
        canaries.add("session of the console", cookie)
        waiting = assay.start("submit", agent, "-q", f"wait {query}", *given, "--follow")
        asyncio.run(until(lambda: "at work" in waiting.said, timeout=30))
        for each in in_own_loop(messages(server, credentials["nats_password"])):
            canaries.look("streams", each)
        assert look_at_documents(canaries, server.mongo_url) > 20
        health = json.loads((server.folder / "ports.json").read_text())["health"]
        with urllib.request.urlopen(f"http://127.0.0.1:{health}/metrics", timeout=30) as metrics:
            canaries.look("metrics", metrics.read())
        open_to_others = look_at_files(canaries, server)
        answers.append(waiting.ended())
        canaries.look("logs", server.output.read_bytes())
    canaries.look("logs", server.output.read_bytes())
    open_to_others += look_at_files(canaries, server)
    assert canaries.environments, "no process of another user was seen"
    canaries.look("errors", errors)
    for ran in answers:
        canaries.look("answers", ran.out)
        canaries.look("errors", ran.err)
    (package,) = tmp_path.glob("*.zip")
    with zipfile.ZipFile(package) as archive:
        for name in archive.namelist():
            canaries.look("packages", archive.read(name))
    assert dict.fromkeys(sorted(canaries.seen - set(ALLOWED)), "") == {}
    assert open_to_others == []
    assert set(ALLOWED) - canaries.seen == set(), "these are not needed any more"
