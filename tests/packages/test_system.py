"""What a package says of Debian packages: the compiler for what had no wheel, and the programs of the test."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from services.packager.ports import HandedIn
from services.packager.press import called, facts_of
from shared.domain.lifecycle import State
from shared.store.documents import EntryPoint, Input, Result
from tests.support.package_facts import facts, text_of
from tests.support.samples import execution, package

LEVENSHTEIN = {
    "requirements": ("python-Levenshtein==0.12.2",),
    "resolved": ("python-levenshtein==0.12.2",),
    "built_from_source": ("python-levenshtein==0.12.2",),
}
COMPILER = "apt-get install --yes --no-install-recommends build-essential python3-dev"


def stages(dockerfile: str) -> list[tuple[str, str]]:
    """Each stage: its FROM, and what follows."""
    return re.findall(r"^FROM (.*)\n((?:(?!FROM ).*\n)*)", dockerfile, re.MULTILINE)


def test_wheels_need_no_compiler_and_no_package() -> None:
    files = text_of(facts(requirements=("six",), resolved=("six==1.17.0",)))
    assert "apt-get" not in files["Dockerfile"]
    assert "apt-get" not in files["README.md"]
    assert [image for image, _ in stages(files["Dockerfile"])] == ["${BASE_IMAGE} AS build", "${BASE_IMAGE}"]


def test_what_was_compiled_in_the_test_has_a_compiler_where_it_is_built_and_only_there() -> None:
    """Case 62: python-Levenshtein 0.12.2 has no wheel, and slim images have no compiler."""
    files = text_of(facts(**LEVENSHTEIN))
    (_, build), (_, last) = stages(files["Dockerfile"])
    assert build.index(COMPILER) < build.index("pip install")
    assert "apt-get" not in last
    readme = files["README.md"]
    assert "no wheel was there for `python-levenshtein==0.12.2`" in readme
    assert "`apt-get install build-essential python3-dev`" in readme
    assert json.loads(files["manifest.json"])["requirements"]["built_from_source"] == ["python-levenshtein==0.12.2"]


def test_packages_of_the_test_are_there_for_the_build_and_for_the_agent() -> None:
    files = text_of(facts(system_packages=("nodejs", "git"), **LEVENSHTEIN))
    system, build, last = stages(files["Dockerfile"])
    assert system[0] == "${BASE_IMAGE} AS system"
    assert "apt-get install --yes --no-install-recommends git nodejs" in system[1]
    assert (build[0], last[0]) == ("system AS build", "system")
    assert "`apt-get install git nodejs`" in files["README.md"]
    assert json.loads(files["manifest.json"])["system_packages"] == ["git", "nodejs"]


def test_the_readme_says_what_was_called_and_that_no_query_was_asked() -> None:
    files = text_of(facts(without_query=True, query="", called="main() of agent:main"))
    assert "<code>main() of agent:main</code>" in files["README.md"]
    assert "`query.json` holds no query, as in the test." in files["README.md"]
    assert json.loads(files["query.json"]) == {"query": None}
    assert "run anew for each query" in text_of(facts(entrypoint="agent:__main__"))["README.md"]


def test_a_package_is_made_of_what_the_test_says_it_had() -> None:
    given = Input(agent_code="code", query="", without_query=True, timeout_s=30, system_packages=["git"])
    entry = EntryPoint(name="agent:main", kind="function", call="main()")
    result = Result(success=True, resolved=["a==1", "b==2"], built_from_source=["b==2"], entry=entry)
    test = execution(State.COMPLETED, input=given, result=result)
    of = facts_of(test, package(test.id), HandedIn())
    assert (of.built_from_source, of.system_packages, of.without_query) == (("b==2",), ("git",), True)
    assert of.called == "main() of agent:main"
    script = EntryPoint(name="__main__", kind="script", call='python agent.py "$query"')
    assert called(script) == 'python agent.py "$query"'


@pytest.mark.parametrize(
    "changes",
    [
        {"system_packages": ("git; rm -rf /",)},
        {"system_packages": ("-o=APT::Get::AllowUnauthenticated=1",)},
        {"system_packages": ("git\nRUN x",)},
        {"built_from_source": ("a==1\nRUN x",)},
        {"built_from_source": ("a",)},
    ],
)
def test_what_is_no_package_is_no_part_of_a_command(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Debian package|name==version"):
        text_of(facts(**changes))
