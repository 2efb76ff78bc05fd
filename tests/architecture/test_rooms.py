"""What HOUSE.md asks of the tree and import-linter cannot say, read from the source."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("services", "shared", "deploy", "client/assay")
BUILT = ROOT / "client" / "assay" / "v1"
MODULES = [p for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py")) if BUILT not in p.parents]
SERVICES = sorted(p for p in (ROOT / "services").iterdir() if (p / "__init__.py").exists())

NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc", "base", "core"}
LARGEST = 400  # lines; HOUSE.md: one that passes 300 is usually two rooms
TASK_OWNERS = {
    "shared/background.py",  # the place that owns background tasks
    "shared/store/batch.py",  # a write under way belongs to all its callers and not to the one that began it
    "deploy/local/child.py",  # races "ready" against "ended", and awaits both
    "deploy/local/children.py",  # a TaskGroup would wrap what the body raises
}
ONE_FILE_ON_PURPOSE = {  # run as they are, by an interpreter that sees nothing else of ours
    "services/orchestrator/harness/test_runner.py",  # joined from harness/src
    "services/orchestrator/harness/test_runner_rest.py",
    "services/packager/templates/server.py",  # joined from server_src and harness/src
}

# Inside a service an import goes down this list, or stays among what is not here (adapters, use cases,
# decisions).
RANKS = {
    "__main__": 8,
    "app": 7,
    "server": 6,
    "handlers": 5,
    "rpc": 5,
    "loops": 5,
    "ports": 2,
    "settings": 1,
    "metrics": 1,
}
WORK = 3


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rank(module: str) -> int:
    """Of `services.<service>.<room>...`."""
    return RANKS.get(module.split(".")[2], WORK)


@pytest.mark.parametrize("service", SERVICES, ids=lambda p: str(p.name))
def test_inside_a_service_imports_go_down(service: Path) -> None:
    prefix = f"services.{service.name}."
    upward = []
    for path in service.rglob("*.py"):
        own = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if own + "." == prefix or not own.startswith(prefix):
            continue
        for target in imports(path):
            if not target.startswith(prefix) or target.split(".")[2] == own.split(".")[2]:
                continue
            allowed = rank(target) < rank(own) or rank(target) == rank(own) == WORK
            if not allowed:
                upward.append(f"{own} imports {target}")
    assert not upward


def test_services_and_shared_take_from_the_client_only_the_generated_api() -> None:
    others = [
        f"{name_of(path)}: {target}"
        for path in MODULES
        if path.is_relative_to(ROOT / "services") or path.is_relative_to(ROOT / "shared")
        for target in imports(path)
        if target.startswith("assay.") and not target.startswith("assay.v1")
    ]
    assert not others


def test_every_file_is_named_after_what_it_does() -> None:
    allowed = {"shared/events/base.py"}  # named so in HOUSE.md: the base of all events
    vague = [name_of(p) for p in MODULES if p.stem in NAMES_THAT_SAY_NOTHING and name_of(p) not in allowed]
    assert not vague


def test_no_module_has_grown_into_a_house() -> None:
    large = {name_of(p): lines for p in MODULES if (lines := len(p.read_text("utf-8").splitlines())) > LARGEST}
    assert not large.keys() - ONE_FILE_ON_PURPOSE, large


def test_every_background_task_has_an_owner() -> None:
    loose = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            called_on = ast.unparse(node.func.value)
            if node.func.attr in {"create_task", "ensure_future"} and (called_on == "asyncio" or "loop" in called_on):
                loose.append(f"{name_of(path)}:{node.lineno}")
    assert not [place for place in loose if place.rpartition(":")[0] not in TASK_OWNERS]


def test_the_domain_and_the_events_are_plain_functions_of_their_arguments() -> None:
    impure = []
    for path in MODULES:
        if not any(path.is_relative_to(ROOT / "shared" / room) for room in ("domain", "events")):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.AsyncFunctionDef | ast.Await):
                impure.append(f"{name_of(path)}:{node.lineno}: async")
            elif isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}:
                impure.append(f"{name_of(path)}:{node.lineno}: looks at the clock")
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"open", "print", "input"}:
                impure.append(f"{name_of(path)}:{node.lineno}: does I/O")
    assert not impure


def test_tests_replace_nothing_by_patching() -> None:
    patched = [
        name_of(path)
        for path in (ROOT / "tests").rglob("*.py")
        if path.parent.name != "shapes"  # agents that are tried, one of them no Python
        and any(target.startswith(("unittest.mock", "mock.")) for target in imports(path))
    ]
    assert not patched


@pytest.mark.parametrize(
    "lock", ["requirements.lock", *(f"deploy/setup/{name}.lock" for name in ("cdk", "emulator", "mongod"))]
)
def test_lock_files_have_a_hash_for_everything_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    entries = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text)).splitlines()
    assert entries
    assert [entry for entry in entries if not re.match(r"[a-z0-9][\w.\-]*==\S+ .*--hash=sha256:", entry)] == []
    assert not re.search(r"https?://|file:|--index|--find-links|\s@\s", text)


def test_nothing_committed_names_a_folder_of_the_machine_it_was_written_on() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    pattern = re.compile(r"/root/|/home/(?!agent\b|user\b)\w+/")
    found = []
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if not name or not path.is_file() or path == Path(__file__):
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name}: {hit.group()}" for hit in pattern.finditer(text)]
    assert not found
