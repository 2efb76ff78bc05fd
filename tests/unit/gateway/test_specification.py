from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from assay.v1 import test_pb2
from services.gateway.errors import InvalidRequest, Violations
from services.gateway.submission.resources import Defaults
from services.gateway.submission.specification import Specification, agent_id, check_request_id, checked, is_entrypoint

CODE = "def run(query):\n    return query\n"


def spec(**fields: Any) -> test_pb2.TestSpec:
    return test_pb2.TestSpec(**{"agent_code": CODE, **fields})


def accepted(**fields: Any) -> Specification:
    violations = Violations()
    answer = checked(spec(**fields), Defaults(), violations)
    violations.raise_if_any()
    return answer


def refused(**fields: Any) -> dict[str, str]:
    violations = Violations()
    checked(spec(**fields), Defaults(), violations)
    return dict(violations.found)


def test_system_packages_are_in_order_and_each_once() -> None:
    given = ["nodejs", "git", "g++", "git", "libstdc++6"]
    assert accepted(system_packages=given).input.system_packages == ["g++", "git", "libstdc++6", "nodejs"]


def test_hosts_are_written_one_way_and_each_once() -> None:
    given = ["Models.Intra:443", "10.1.2.3/32", "10.1.2.3", "10.9.9.9/16", "127.0.0.1:11434"]
    hosts = ["models.intra:443", "10.1.2.3", "10.9.0.0/16", "127.0.0.1:11434"]
    assert accepted(allow_hosts=given).input.allow_hosts == hosts


def test_what_is_not_given_gets_its_default() -> None:
    answer = accepted()
    assert answer.agent_name == answer.input.name == "agent"
    assert answer.input.timeout_s == 300
    assert answer.input.priority == 5
    assert (answer.input.resources.cpu, answer.input.resources.memory_mib) == (0.25, 512)
    assert answer.input.network
    assert answer.input.model is None


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        pytest.param({"agent_code": ""}, "spec.agent_code", "is empty", id="no code"),
        pytest.param({"agent_code": " \n\t"}, "spec.agent_code", "is empty", id="blank code"),
        pytest.param({"agent_code": "x" * 262_145}, "spec.agent_code", "262144 (256 KiB)", id="code too large"),
        pytest.param({"agent_code": "ä" * 131_073}, "spec.agent_code", "262146 bytes", id="code too large in bytes"),
        pytest.param({"agent_code": "a = 1\0"}, "spec.agent_code", "NUL", id="NUL in code"),
        pytest.param({"query": "q" * 65_537}, "spec.query", "65536 (64 KiB)", id="query too large"),
        pytest.param({"dockerfile": "#" * 65_537}, "spec.dockerfile", "64 KiB", id="dockerfile too large"),
        pytest.param({"name": "n" * 201}, "spec.name", "longer than 200", id="name too long"),
        pytest.param({"name": "a\nb"}, "spec.name", "line break", id="line break in name"),
        pytest.param({"agent_name": "n" * 201}, "spec.agent_name", "longer than 200", id="agent name too long"),
        pytest.param({"agent_id": "a b"}, "spec.agent_id", "letters", id="blank in agent id"),
        pytest.param({"agent_id": "a" * 65}, "spec.agent_id", "64", id="agent id too long"),
        pytest.param({"entrypoint": "a:b:c"}, "spec.entrypoint", "module:name", id="two colons"),
        pytest.param({"system_packages": ["git", "-y"]}, "spec.system_packages[1]", "Debian", id="option for apt"),
        pytest.param({"system_packages": ["Git"]}, "spec.system_packages[0]", "Debian", id="no package name"),
        pytest.param({"system_packages": ["git"] * 21}, "spec.system_packages", "at most 20", id="many packages"),
        pytest.param(
            {"allow_hosts": ["10.0.0.1:80", "x"]}, "spec.allow_hosts[1]", "needs a port", id="host without port"
        ),
        pytest.param({"allow_hosts": ["10.0.0.1:80"] * 21}, "spec.allow_hosts", "at most 20", id="many hosts"),
        pytest.param(
            {"allow_hosts": ["10.0.0.1:80"], "network": test_pb2.NETWORK_ACCESS_NONE},
            "spec.allow_hosts",
            "leave one of the two out",
            id="hosts without network",
        ),
        pytest.param({"network": 7}, "spec.network", "NetworkAccess", id="unknown network access"),
        pytest.param({"timeout": Duration()}, "spec.timeout", "1 s", id="no time"),
        pytest.param({"timeout": Duration(nanos=999_999_999)}, "spec.timeout", "1 s", id="under a second"),
        pytest.param({"timeout": Duration(seconds=21_601)}, "spec.timeout", "6 h", id="over six hours"),
        pytest.param({"timeout": Duration(seconds=-5)}, "spec.timeout", "1 s", id="negative time"),
        pytest.param({"timeout": Duration(seconds=5, nanos=-1)}, "spec.timeout", "1 s", id="negative nanos"),
        pytest.param({"priority": 10}, "spec.priority", "0 (last) to 9", id="priority too high"),
        pytest.param({"priority": -1}, "spec.priority", "0 (last) to 9", id="priority too low"),
        pytest.param({"resources": {"cpu": 0.3}}, "spec.resources.cpu", "0.25, 0.5, 1", id="odd processor share"),
        pytest.param({"resources": {"cpu": float("nan")}}, "spec.resources.cpu", "one of", id="not a number"),
        pytest.param({"resources": {"cpu": -1}}, "spec.resources.cpu", "one of", id="negative processor share"),
        pytest.param({"resources": {"memory_mib": 63}}, "spec.resources.memory_mib", "64", id="too little memory"),
        pytest.param(
            {"resources": {"memory_mib": 122_881}}, "spec.resources.memory_mib", "122880", id="too much memory"
        ),
        pytest.param(
            {"resources": {"cpu": 0.25, "memory_mib": 2049}},
            "spec.resources.memory_mib",
            "at most 2048 with 0.25 vCPU",
            id="memory that does not go with the processor",
        ),
        pytest.param({"env": {"1A": "x"}}, 'spec.env["1A"]', "begin with a letter", id="variable begins with a digit"),
        pytest.param({"env": {"": "x"}}, 'spec.env[""]', "begin with a letter", id="empty name of a variable"),
        pytest.param({"env": {"A-B": "x"}}, 'spec.env["A-B"]', "letters, digits", id="dash in a variable"),
        pytest.param({"env": {"PATH": "/x"}}, 'spec.env["PATH"]', "reserved", id="PATH"),
        pytest.param({"env": {"ASSAY_X": "1"}}, 'spec.env["ASSAY_X"]', "reserved", id="our own variables"),
        pytest.param({"env": {"assay_x": "1"}}, 'spec.env["assay_x"]', "reserved", id="our own in lower case"),
        pytest.param({"env": {"LD_PRELOAD": "x"}}, 'spec.env["LD_PRELOAD"]', "reserved", id="LD_PRELOAD"),
        pytest.param({"env": {"PYTHONPATH": "x"}}, 'spec.env["PYTHONPATH"]', "reserved", id="PYTHONPATH"),
        pytest.param({"env": {"A": "a\0b"}}, 'spec.env["A"]', "NUL", id="NUL in a value"),
        pytest.param({"env": {"A": "x" * 32_768}}, "spec.env", "32768", id="environment too large"),
        pytest.param({"env": {f"A{i}": "" for i in range(101)}}, "spec.env", "100", id="too many variables"),
        pytest.param({"secret_refs": {"KEY": "a b"}}, 'spec.secret_refs["KEY"]', "ARN", id="not a secret's name"),
        pytest.param({"secret_refs": {"KEY": ""}}, 'spec.secret_refs["KEY"]', "ARN", id="empty secret reference"),
        pytest.param(
            {"secret_refs": {"KEY": "x"}, "env": {"KEY": "y"}},
            'spec.secret_refs["KEY"]',
            "spec.env, too",
            id="variable set twice",
        ),
        pytest.param({"labels": {"Team": "a"}}, 'spec.labels["Team"]', "a-z", id="capital in a label"),
        pytest.param({"labels": {"team": "a" * 256}}, 'spec.labels["team"]', "255", id="label value too long"),
        pytest.param({"labels": {"team": "a\nb"}}, 'spec.labels["team"]', "control", id="line break in a label"),
        pytest.param({"labels": {f"l{i}": "" for i in range(33)}}, "spec.labels", "32", id="too many labels"),
        pytest.param({"model": {}}, "spec.model.provider", "lower case", id="model without provider"),
        pytest.param({"model": {"provider": "Ollama"}}, "spec.model.provider", "lower case", id="capital provider"),
        pytest.param(
            {"model": {"provider": "ollama", "base_url": "localhost:11434"}},
            "spec.model.base_url",
            "http",
            id="address without scheme",
        ),
        pytest.param(
            {"model": {"provider": "ollama", "base_url": "http://me:pass@host"}},
            "spec.model.base_url",
            "password",
            id="password in an address",
        ),
        pytest.param(
            {"model": {"provider": "ollama", "base_url": "http://host:99999"}},
            "spec.model.base_url",
            "URL",
            id="impossible port",
        ),
        pytest.param(
            {"model": {"provider": "bedrock", "region": "US East"}}, "spec.model.region", "region", id="odd region"
        ),
        pytest.param({"requirements": ["a"] * 501}, "spec.requirements", "500", id="too many requirements"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, Any], field: str, words: str) -> None:
    found = refused(**fields)
    assert list(found) == [field]
    assert words in found[field]


def test_every_bad_field_is_told_at_once() -> None:
    found = refused(
        agent_code="", query="q" * 70_000, priority=11, requirements=["ok", "-e ."], env={"PATH": "x", "A B": "y"}
    )
    assert set(found) == {
        "spec.agent_code",
        "spec.query",
        "spec.priority",
        "spec.requirements[1]",
        'spec.env["PATH"]',
        'spec.env["A B"]',
    }


def test_the_limits_themselves_are_allowed() -> None:
    answer = accepted(
        agent_code="#" * 262_144,
        query="q" * 65_536,
        timeout=Duration(seconds=21_600),
        priority=0,
        env={"A": "x" * 32_767},
        resources={"cpu": 16, "memory_mib": 122_880},
    )
    assert answer.input.priority == 0
    assert answer.input.timeout_s == 21_600


@pytest.mark.parametrize(("seconds", "nanos", "stored"), [(1, 0, 1), (1, 1, 2), (2, 500_000_000, 3)])
def test_a_timeout_is_rounded_up_to_whole_seconds(seconds: int, nanos: int, stored: int) -> None:
    assert accepted(timeout=Duration(seconds=seconds, nanos=nanos)).input.timeout_s == stored


def test_memory_alone_brings_the_processor_that_goes_with_it() -> None:
    assert accepted(resources={"memory_mib": 6000}).input.resources.cpu == 1.0


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("run", True),
        ("agent:run", True),
        ("package.module:name", True),
        ("__main__", True),
        ("package.__main__", True),
        ("package:__main__", True),
        ("agent:graph.invoke", True),
        ("agent:", False),
        (":run", False),
        ("agent.run:", False),
        ("a b", False),
        ("agent:run()", False),
        ("agent:class", False),
        ("../agent:run", False),
        ("x" * 201, False),
    ],
)
def test_entry_points(text: str, is_one: bool) -> None:
    assert is_entrypoint(text) is is_one


def test_an_agent_without_an_id_is_known_by_its_name_or_its_code() -> None:
    assert agent_id("My Weather Agent!", CODE) == "my-weather-agent"
    assert agent_id("Агент", CODE) == agent_id("Агент", "other") != agent_id("Другой", CODE)
    assert agent_id("", CODE) == agent_id("", CODE) != agent_id("", CODE + "\n")
    assert len(agent_id("x" * 200, CODE)) == 64


@pytest.mark.parametrize(
    ("request_id", "fine"),
    [("", True), ("0191-abc", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ("ä", False), ("a\0", False)],
)
def test_request_ids(request_id: str, fine: bool) -> None:
    violations = Violations()
    check_request_id(request_id, violations)
    if fine:
        violations.raise_if_any()
    else:
        with pytest.raises(InvalidRequest, match="request_id"):
            violations.raise_if_any()
