"""Whatever a user may hand in, the files say that and nothing else: each is read back with a parser of its own kind."""

import ast
import dataclasses
import hashlib
import html
import json
import shlex
import string
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from packaging.requirements import Requirement

from services.gateway.submission.requirements import checked as checked_requirements
from services.packager.archive import packed
from services.packager.content import ModelFacts, Options, PackageFacts, service_name
from services.packager.content.aws import fargate_size
from services.packager.content.text import code_span, markdown
from tests.support.package_facts import EVERYTHING, FACTS, facts, text_of

# What means something to YAML, JSON, Markdown, shells, Dockerfiles, Compose and templates.
HOSTILE = (
    "'",
    '"',
    "`",
    "\\",
    "$",
    "${HOME}",
    "$(id)",
    "{{x}}",
    "{%x%}",
    "%s",
    "\n",
    "\r\n",
    "\t",
    ": ",
    " #",
    "- ",
    "---\n",
    "...\n",
    "&a",
    "*a",
    "!!python/object:os.system",
    "|",
    ">",
    "@",
    ";",
    "&&",
    "<script>",
    "-->",
    "[x](y)",
    "~",
    "\x00",
    "\x1b[31m",
    "\x85",
    "\u2028",
    "\ufeff",
    "\u202e",
    "\U0001f600",
    "ü",
    "null",
    "0o17",
    "yes",
    "1_000",
    "=",
    "EOF",
    "\nRUN id\n",
    "\nUSER root\n",
)
anything = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=6)), max_size=8).map("".join)
texts = anything.filter(lambda text: text.encode("utf-8", "surrogatepass").decode("utf-8", "ignore") == text)
one_line = texts.map(lambda text: "".join(sign for sign in text if sign >= " " and sign != "\x7f"))
variables = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
providers = st.one_of(
    st.sampled_from(["ollama", "bedrock", "openai"]), st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,20}", fullmatch=True)
)
paths = st.text(string.ascii_letters + string.digits + "/$`'\"{}()!*;,~%", max_size=12)
urls = st.one_of(st.just(""), st.sampled_from(["http://127.0.0.1:11434", "https://api.example.com"]).flatmap(
    lambda base: paths.map(lambda path: f"{base}/{path}")
))  # fmt: skip
models = st.none() | st.builds(
    ModelFacts,
    provider=providers,
    model_id=one_line,
    base_url=urls,
    region=st.from_regex(r"[a-z0-9-]{0,16}", fullmatch=True),
)
options = st.builds(
    Options,
    service_name=st.just("") | st.from_regex(r"[a-z][a-z0-9-]{0,62}", fullmatch=True),
    port=st.integers(1, 65535),
    load_balancer=st.booleans(),
    vpc_id=st.sampled_from(["", "vpc-0123456789abcdef0"]),
)
any_facts: st.SearchStrategy[PackageFacts] = st.builds(
    dataclasses.replace,
    st.just(FACTS),
    agent_name=one_line,
    agent_code=texts,
    query=texts,
    dockerfile=texts,
    env_names=st.lists(variables, max_size=4, unique=True).map(tuple),
    secret_names=st.lists(variables, max_size=3, unique=True).map(tuple),
    model=models,
    options=options,
    network=st.booleans(),
    memory_mib=st.integers(64, 130_000),
    cpu=st.sampled_from([0.1, 0.25, 1, 3, 16]),
)


@given(any_facts)
@example(EVERYTHING)
def test_what_was_handed_in_is_what_the_files_say(of: PackageFacts) -> None:
    files = packed(of)
    assert files["agent.py"] == of.agent_code.encode()
    assert files.get("Dockerfile.custom", b"") == of.dockerfile.encode()
    assert json.loads(files["query.json"]) == {"query": of.query}
    manifest = json.loads(files["manifest.json"])
    assert manifest["agent"]["name"] == of.agent_name
    assert manifest["agent"]["sha256"] == hashlib.sha256(of.agent_code.encode()).hexdigest()

    agent = json.loads(files["agent.json"])
    config = json.loads(files["cdk/config.json"])
    mine = {*of.env_names, *of.secret_names}
    assert set(agent["needed"]) == mine
    if of.model is not None:
        for name, value in (("MODEL_PROVIDER", of.model.provider), ("MODEL_ID", of.model.model_id)):
            expected = {name: value} if value and name not in mine else {}
            assert {key: text for key, text in agent["environment"].items() if key == name} == expected
        if "MODEL_ID" not in mine:
            assert config["model"]["model_id"] == manifest["model"]["model_id"] == of.model.model_id
    assert set(config["secrets"]) == set(of.secret_names)
    assert {name for name in config["environment"] if name in mine} == set(of.env_names) - set(of.secret_names)
    _check_compose(of, files["docker-compose.yml"])
    _check_dockerfile(of, files["Dockerfile"].decode())
    _check_environment(of, files[".env.example"].decode())


def _check_compose(of: PackageFacts, raw: bytes) -> None:
    compose = yaml.safe_load(raw)
    assert compose["name"] == service_name(of).rstrip("-")
    agent = compose["services"]["agent"]
    assert agent["ports"] == [f"127.0.0.1:${{PUBLISHED_PORT:-{of.options.port}}}:{of.options.port}"]
    ollama = of.model is not None and of.model.provider == "ollama"
    pulled = (
        ollama and of.model is not None and of.model.model_id and "MODEL_ID" not in {*of.env_names, *of.secret_names}
    )
    assert set(compose["services"]) == {"agent"} | ({"ollama"} if ollama else set()) | (
        {"ollama-model"} if pulled else set()
    )
    if pulled:
        assert of.model is not None
        command = compose["services"]["ollama-model"]["entrypoint"]
        assert [_as_compose_reads(word) for word in command] == ["ollama", "pull", of.model.model_id]


def _as_compose_reads(text: str) -> str:
    """Compose's interpolation: `$$` is a dollar, a single one begins a variable."""
    assert "$" not in text.replace("$$", "")
    return text.replace("$$", "$")


def _check_dockerfile(of: PackageFacts, text: str) -> None:
    """Only the port and the version of Python vary."""
    assert text.isascii()
    plain = packed(FACTS)["Dockerfile"].decode().replace("8080", str(of.options.port))
    assert text == plain


def _check_environment(of: PackageFacts, text: str) -> None:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines == [f"{name}=" for name in sorted({*of.env_names, *of.secret_names})]
    for line in text.splitlines():
        name, equals, value = line.removeprefix("#").partition("=")
        if equals and line.startswith("#") and name.isidentifier():
            assert shlex.split(value) == ([value] if value else []), "a value that a shell would read otherwise"


@given(any_facts)
def test_no_text_of_the_user_is_part_of_a_command_in_the_readme(of: PackageFacts) -> None:
    readme = packed(of)["README.md"].decode()
    code = [token.content for token in MarkdownIt().parse(readme) if token.type == "fence"]
    anonymous = dataclasses.replace(
        of,
        agent_name="x",
        agent_code="x",
        query="x",
        dockerfile="x" if of.dockerfile else "",
        model=of.model and dataclasses.replace(of.model, model_id="x", region=""),
        options=dataclasses.replace(of.options, service_name=service_name(of)),
    )
    same = [t.content for t in MarkdownIt().parse(packed(anonymous)["README.md"].decode()) if t.type == "fence"]
    assert code == same


@given(one_line)
def test_a_name_is_shown_as_it_is_in_markdown(name: str) -> None:
    shown = "".join(
        child.content
        for token in MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .parse(f"| a |\n| - |\n| x{markdown(name)}x |")
        for child in token.children or []
    )
    assert shown == "a" + "x" + " ".join(name.split()).strip() + "x"


@given(one_line)
def test_a_value_is_shown_as_it_is_in_a_span_of_code(value: str) -> None:
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(f"| a |\n| - |\n| {code_span(value)} |")
    cell = rendered.partition("<td>")[2].partition("</td>")[0]
    inner = cell.removeprefix("<code>").removesuffix("</code>")
    assert "<" not in inner
    assert html.unescape(inner) == " ".join(value.split()).strip().replace("\x00", "\ufffd")


requirement_lines = st.sampled_from([
    "six", "six==1.17.0", "Pydantic[email]>=2,<3", "x~=1.0; python_version < '4' and sys_platform != \"win32\"",
    "a.b-c_d===1.0+local.1", "torch!=2.0.*",
])  # fmt: skip


@given(st.lists(requirement_lines | one_line | texts, max_size=6))
def test_requirements_read_back_or_are_refused(lines: list[str]) -> None:
    of = facts(requirements=tuple(lines))
    try:
        text = text_of(of)["requirements.txt"]
    except ValueError:
        return
    read = [Requirement(line) for line in text.splitlines() if not line.startswith("#")]
    assert read == [Requirement(line) for line in lines]
    assert all(not line.startswith(("-", "/", ".")) and "://" not in line for line in text.splitlines())


@pytest.mark.parametrize("odd", ["pytz==2004d", "pytz==1.0\n--index-url http://x", "pytz @ http://x", "-r x", ""])
def test_a_pin_that_no_installer_would_read_leaves_its_requirement_open(odd: str) -> None:
    lines = text_of(facts(requirements=("pytz", "six"), resolved=(odd, "six==1.17.0")))["requirements.txt"].splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["six==1.17.0", "pytz"]


HASHED = (
    "six==1.17.0 --hash=sha256:" + "a" * 64 + " --hash=sha256:" + "b" * 64,
    "PyTZ==2024.1 --hash=sha256:" + "c" * 64,
)


@pytest.mark.parametrize(
    ("resolved", "kept"),
    [
        pytest.param(("pytz==2024.1", "six==1.17.0"), True, id="all have some"),
        pytest.param(("pytz==2024.1", "six==1.17.0", "more==1"), False, id="one more was installed"),
        pytest.param(("pytz==2024.2", "six==1.17.0"), False, id="another version"),
        pytest.param(("six==1.17.0",), False, id="one was not installed"),
    ],
)
def test_hashes_go_along_where_everything_has_some(resolved: tuple[str, ...], *, kept: bool) -> None:
    text = text_of(facts(requirements=HASHED, resolved=resolved))["requirements.txt"]
    assert (text.count("--hash=sha256:") == 3) is kept
    assert ("--hash" in text) is kept
    if kept:
        joined = text.replace(" \\\n   ", "").splitlines()
        assert joined[1:] == ["pytz==2024.1 --hash=sha256:" + "c" * 64, HASHED[0]]


def test_all_that_the_gateway_lets_pass_as_a_requirement_can_be_packed() -> None:
    from services.gateway.errors import Violations

    violations = Violations()
    lines = ["six", "Pydantic[email]>=2,<3  # why", "x~=1.0; python_version < '4'", "", "# nothing"]
    stored = checked_requirements(lines, "requirements", violations)
    assert len(stored) == 3
    assert "pydantic" in text_of(facts(requirements=tuple(stored)))["requirements.txt"].lower()


def test_python_files_of_a_package_are_the_same_whatever_the_test() -> None:
    ours = {path: data for path, data in packed(FACTS).items() if path.endswith(".py") and path != "agent.py"}
    theirs = packed(EVERYTHING)
    assert ours
    for path, data in ours.items():
        assert theirs[path] == data
        ast.parse(data)


MARKER = "sk-5ecret-m4rker"


@pytest.mark.parametrize(
    "url",
    [f"https://user:{MARKER}@api.example.com/v1", f"https://api.example.com/v1?key={MARKER}", f"https://x/#{MARKER}"],
)
def test_a_key_in_the_address_of_a_model_stays_behind(url: str) -> None:
    of = facts(model=ModelFacts("openai", "gpt", url))
    for path, text in text_of(of).items():
        assert MARKER not in text, path
    assert "MODEL_BASE_URL=" in text_of(of)[".env.example"].splitlines()


def test_values_of_variables_are_no_facts_so_none_can_be_in_a_package() -> None:
    """The only fields that can carry text of an environment are names, and a name has an alphabet."""
    fields: dict[str, Any] = {field.name: field.type for field in dataclasses.fields(PackageFacts)}
    assert [name for name in fields if "env" in name or "secret" in name] == ["env_names", "secret_names"]
    for field in ("env_names", "secret_names"):
        with pytest.raises(ValueError, match="name of a variable"):
            packed(facts(**{field: (f"KEY={MARKER}",)}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"options": Options(service_name="a b")},
        {"options": Options(service_name="x;id")},
        {"options": Options(port=0)},
        {"options": Options(vpc_id="vpc-1; id")},
        {"python_version": "3.11 && id"},
        {"python_version": "2.7"},
        {"requirements": ("six==1.0\n--index-url http://x",)},
        {"requirements": ("six @ http://x",)},
        {"requirements": ("-r /etc/passwd",)},
    ],
    ids=str,
)
def test_what_no_gateway_would_accept_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|requirement"):
        packed(facts(**wrong))


@pytest.mark.parametrize(
    ("cpu", "memory", "size"),
    [
        (0.25, 512, (256, 512)),
        (0.25, 600, (256, 1024)),
        (0.25, 2048, (256, 2048)),
        (0.1, 64, (256, 512)),
        (0.25, 3000, (512, 3072)),
        (0.5, 512, (512, 1024)),
        (1, 512, (1024, 2048)),
        (2, 16384, (2048, 16384)),
        (3, 100, (4096, 8192)),
        (0.25, 40_000, (8192, 40_960)),
        (32, 1 << 20, (16384, 122_880)),
    ],
)
def test_a_task_on_fargate_has_at_least_what_the_test_had(cpu: float, memory: int, size: tuple[int, int]) -> None:
    assert fargate_size(cpu, memory) == size
