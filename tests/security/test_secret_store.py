"""The secret store of the process runtime: who may name what, how it is read, and that no value stays anywhere."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from services.orchestrator.ports import LaunchFailed
from services.orchestrator.runtimes.host import Unfit
from services.orchestrator.runtimes.operator_secrets import MOST_BYTES, OperatorSecrets, variable_of, variables_in
from services.orchestrator.runtimes.options import Isolation, ProcessOptions
from services.orchestrator.runtimes.process import ProcessRuntime
from services.orchestrator.settings import OrchestratorSettings
from shared.domain.failure import FailureCode
from shared.ids import UserId
from shared.settings import BadEnvironment
from tests.contract.runtime_worlds import answer, spec
from tests.support.local_mode import Command, local_mode, skip_without_sandbox
from tests.support.package_facts import FACTS, zipped

ALICE = UserId("alice")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "secrets"
    (place / "alice").mkdir(parents=True)
    (place / "bob").mkdir()
    return place


def put(folder: Path, name: str, value: str | bytes = "the-value", mode: int = 0o400) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(value if isinstance(value, bytes) else value.encode())
    path.chmod(mode)
    return path


def refusal(store: OperatorSecrets, name: str, user: UserId = ALICE) -> str:
    with pytest.raises(LaunchFailed) as failed:
        store.read({"KEY": name}, user)
    assert failed.value.code is FailureCode.CREDENTIALS_INVALID
    return str(failed.value)


def test_a_file_is_a_secret_without_its_last_line_break(folder: Path) -> None:
    put(folder, "alice/api-key", "one\ntwo\n")
    assert OperatorSecrets(folder).read({"KEY": "alice/api-key"}, ALICE) == {"KEY": "one\ntwo"}


def test_a_variable_is_a_secret_by_its_name_behind_the_prefix() -> None:
    found = variables_in({"ASSAY_SECRET_alice__api_key": "v", "PATH": "/bin"}, "ASSAY_SECRET_")
    store = OperatorSecrets(variables=found)
    assert store.read({"KEY": "alice/api_key"}, ALICE) == {"KEY": "v"}
    assert "v" not in repr(store).replace("variables", "")
    assert variables_in({"PATH": "/bin"}, "") == {}


@pytest.mark.parametrize(
    "name",
    [
        "bob/api-key",
        "alicex/api-key",
        "alice/../bob/api-key",
        "alice/./../bob/api-key",
        "../secrets/bob/api-key",
        "/etc/shadow",
        "alice//etc/shadow",
        "alice",
        "alice/",
        "alice/.hidden",
        "alice/..data/api-key",
        "alice/api-key\n",
        "alice/a\0b",
        "ALICE/api-key",
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:alice/api-key",
        "",
    ],
)
def test_a_name_that_is_not_the_users_own_is_refused_whatever_lies_there(folder: Path, name: str) -> None:
    put(folder, "bob/api-key", "of-bob")
    put(folder, "alice/.hidden", "hidden")
    said = refusal(OperatorSecrets(folder, {"bob__api-key": "of-bob"}), name)
    assert "of-bob" not in said
    assert str(folder) not in said


def test_a_prefix_of_the_operators_is_shared_by_all(folder: Path) -> None:
    put(folder, "shared/model-key", "for-all")
    store = OperatorSecrets(folder, prefixes=("{user}/", "shared/"))
    assert store.read({"KEY": "shared/model-key"}, ALICE) == {"KEY": "for-all"}
    assert "alice/ or shared/" in refusal(store, "bob/model-key")


@pytest.mark.parametrize("name", ["a_/b", "a/_b", "a__b/c", "a/b__c", "a+b/c", "a@b/c"])
def test_no_two_names_are_one_variable(name: str) -> None:
    assert variable_of(name) is None
    assert variable_of("a/b_c") == "a__b_c"


def test_no_setting_of_ours_can_be_named_as_a_secret() -> None:
    store = OperatorSecrets(variables=variables_in({"ASSAY_MONGO_URL": "of-ours"}, "ASSAY_"), prefixes=("MONGO/",))
    for name in ("MONGO_URL", "MONGO/URL"):
        assert "of-ours" not in refusal(store, name, UserId("MONGO"))
    for wrong in ("", "a", "{user}", "{user}/,b", "/"):
        with pytest.raises(BadEnvironment, match="ASSAY_PROCESS_SECRET_PREFIXES"):
            OrchestratorSettings(process_secret_prefixes=wrong)


@pytest.mark.parametrize("mode", [0o444, 0o604, 0o602, 0o420, 0o600 | 0o001])
def test_a_file_that_is_open_to_others_is_no_secret(folder: Path, mode: int) -> None:
    put(folder, "alice/api-key", "told", mode)
    said = refusal(OperatorSecrets(folder), "alice/api-key")
    assert "chmod 0400" in said
    assert "told" not in said


def outside(folder: Path) -> None:
    put(folder.parent, "elsewhere", "stolen")
    (folder / "alice" / "api-key").symlink_to(folder.parent / "elsewhere")


def into_another_users(folder: Path) -> None:
    put(folder, "bob/api-key", "stolen")
    (folder / "alice" / "api-key").symlink_to("../bob/api-key")


def another_name(folder: Path) -> None:
    put(folder, "alice/other", "stolen")
    (folder / "alice" / "api-key").symlink_to("other")


def another_users_folder(folder: Path) -> None:
    put(folder, "bob/api-key", "stolen")
    (folder / "alice").rmdir()
    (folder / "alice").symlink_to("bob")


def in_circles(folder: Path) -> None:
    (folder / "alice" / "api-key").symlink_to("api-key")


def a_fifo(folder: Path) -> None:
    os.mkfifo(folder / "alice" / "api-key", 0o400)


def a_folder(folder: Path) -> None:
    (folder / "alice" / "api-key").mkdir(mode=0o700)


@pytest.mark.parametrize(
    "lay", [outside, into_another_users, another_name, another_users_folder, in_circles, a_fifo, a_folder]
)
def test_what_is_no_file_of_its_own_is_refused(folder: Path, lay: Callable[[Path], None]) -> None:
    lay(folder)
    said = refusal(OperatorSecrets(folder), "alice/api-key")
    assert "cannot be used" in said
    assert "stolen" not in said


@pytest.mark.parametrize("whole", [True, False], ids=["mounted as one folder", "mounted for each user"])
def test_secrets_lie_as_kubernetes_mounts_them(tmp_path: Path, *, whole: bool) -> None:
    root = tmp_path / "secrets"
    mount = root if whole else root / "alice"
    put(mount / "..2026_11_30_02_00", "alice/api-key" if whole else "api-key", "mounted", 0o440)
    (mount / "..data").symlink_to("..2026_11_30_02_00")
    (mount / ("alice" if whole else "api-key")).symlink_to("..data/alice" if whole else "..data/api-key")
    assert OperatorSecrets(root).read({"KEY": "alice/api-key"}, ALICE) == {"KEY": "mounted"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"", "empty"),
        (b"\xff\xfe", "not text"),
        (b"a\0b", "NUL"),
        (b"x" * (MOST_BYTES + 1), "64 KiB"),
        (b"x" * (10 * MOST_BYTES), "64 KiB"),
    ],
)
def test_what_no_variable_can_hold_is_refused_in_words(folder: Path, value: bytes, said: str) -> None:
    put(folder, "alice/api-key", value)
    assert said in refusal(OperatorSecrets(folder), "alice/api-key")


def test_a_secret_that_is_not_there_is_named_with_what_to_do(folder: Path) -> None:
    assert "There is no secret alice/gone. Its operator can add it" in refusal(OperatorSecrets(folder), "alice/gone")
    assert "no secret alice/gone" in refusal(OperatorSecrets(folder / "gone"), "alice/gone")
    assert "ASSAY_PROCESS_SECRETS_DIR" in refusal(OperatorSecrets(), "alice/gone")


# --- in the runtime

TELLS = """
    import os
    def run(query):
        return {name: os.environ.get(name) for name in ("KEY", "MODEL", "ASSAY_SECRET_alice__key")}
"""


@pytest.fixture
async def runtime(tmp_path: Path, folder: Path) -> AsyncIterator[ProcessRuntime]:
    put(folder, "alice/key", "from-a-file")
    store = OperatorSecrets(folder, {"alice__other": "from-a-variable"})
    options = ProcessOptions(root=tmp_path / "tasks", isolation=Isolation.REQUIRED, secrets=store)
    try:
        opened = await ProcessRuntime.open(options)
    except Unfit as unfit:
        pytest.skip(str(unfit))
    yield opened
    await opened.aclose()


async def test_the_agent_has_the_values_and_they_win_over_the_model_setting(runtime: ProcessRuntime) -> None:
    references = {"KEY": "alice/key", "MODEL": "alice/other"}
    found = await answer(runtime, spec(agent_code=TELLS, env={"MODEL": "of-the-operator"}, secret_refs=references))
    assert found == {"KEY": "from-a-file", "MODEL": "from-a-variable", "ASSAY_SECRET_alice__key": None}


async def test_nothing_is_left_of_a_launch_whose_secret_is_missing(runtime: ProcessRuntime) -> None:
    task = spec(secret_refs={"KEY": "alice/key", "OTHER": "bob/key"})
    with pytest.raises(LaunchFailed, match="may not use the secret bob/key"):
        await runtime.launch(task)
    assert not (runtime.host.root / "tasks" / task.launch_token).exists()


async def test_nothing_is_left_of_a_task_that_could_not_be_started(runtime: ProcessRuntime) -> None:
    task = spec(secret_refs={"KEY": "alice/key"}, env={"OTHER": "of-the-test"})
    folder = runtime.host.root / "tasks" / task.launch_token
    folder.mkdir(mode=0o700)
    (folder / "errors.txt").symlink_to("errors.txt")  # the fork server cannot open it
    with pytest.raises(LaunchFailed) as failed:
        await runtime.launch(task)
    assert failed.value.code is FailureCode.TASK_START_FAILED
    assert not folder.exists()
    assert await answer(runtime, replace(task, agent_code=TELLS.replace("\n    ", "\n")))  # as if for the first time


async def test_no_secret_is_handed_out_where_every_agent_could_read_all(runtime: ProcessRuntime) -> None:
    bare = replace(runtime.host, bwrap=None)
    assert bare.shares_our_user == (os.geteuid() != 0)
    if os.geteuid() == 0:
        os.seteuid(65_534)
    try:
        assert bare.shares_our_user
        assert not runtime.host.shares_our_user
        runtime._steps._host = bare
        with pytest.raises(LaunchFailed, match="without a sandbox"):
            await runtime._steps.with_secrets(spec(secret_refs={"KEY": "alice/key"}))
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


# --- in the whole


def test_a_secret_leaves_no_trace_in_the_store_the_bus_the_logs_and_the_answers(tmp_path: Path, folder: Path) -> None:
    skip_without_sandbox()
    in_file, in_variable = (f"canary{secrets.token_hex(24)}" for _ in range(2))
    put(folder, "dev/file", in_file)
    put(folder, "dev/open", in_file, 0o444)
    code = (
        "import hashlib, os\n"
        "def run(query):\n"
        "    return [hashlib.sha256(os.environ[name].encode()).hexdigest() for name in ('ONE', 'TWO')]\n"
    )
    with local_mode(
        tmp_path / ".assay",
        ASSAY_PROCESS_ISOLATION="required",
        ASSAY_LOG_LEVEL="debug",
        ASSAY_PROCESS_SECRETS_DIR=str(folder),
        ASSAY_PROCESS_SECRETS_ENV_PREFIX="CANARY_",
        CANARY_dev__variable=in_variable,
    ) as server:
        assay = Command(server.folder.parent)
        agent = assay.file("agent.py", code)
        given = ("--secret", "ONE=dev/file", "--secret", "TWO=dev/variable")
        passed = assay("submit", agent, "-q", "x", *given, "--follow", "--json")
        refused = assay("submit", agent, "-q", "x", "--secret", "ONE=dev/open", "--follow")
        shown = assay("show", "last", "--json")
        logs = assay("logs", "last")
        said = server.said
    words = "\n".join(ran.out + ran.err for ran in (passed, refused, shown, logs)) + said
    for value in (in_file, in_variable):
        assert hashlib.sha256(value.encode()).hexdigest() in passed.out
        assert value not in words
        holders = [
            path
            for path in [*server.folder.rglob("*"), server.output]
            if path.is_file() and not path.is_symlink() and value.encode() in path.read_bytes()
        ]
        assert holders == []
    assert "chmod 0400" in refused.out + refused.err


def test_a_package_has_the_names_of_secrets_only() -> None:
    told = replace(FACTS, secret_names=("OPENAI_API_KEY",))
    assert b"OPENAI_API_KEY" in zipped(told)
    assert "secret_refs" not in type(told).__dataclass_fields__
