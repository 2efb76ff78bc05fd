import json
from typing import Any

import pytest

from services.orchestrator.ports import LogLimits
from services.orchestrator.runtimes.context import going_on, whole
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.specification import model_variables, specification
from shared.domain.lifecycle import State
from shared.domain.logsequence import BLOCK, MOST_LINES, attempt_of, first_seq
from shared.ids import launch_token
from shared.settings import BadEnvironment
from shared.store.documents import ArchiveRef, Execution, Input, ModelSetting, Resources
from tests.support.samples import execution, task


def launched(attempt: int = 1, **given: object) -> Execution:
    test = execution(State.BUILDING, attempt=attempt, input=Input.model_validate(given))
    return test.model_copy(update={"task": task(test.id, attempt)})


def test_a_spec_carries_everything_that_was_handed_in() -> None:
    test = launched(
        agent_code="code",
        requirements=["a==1", "b"],
        dockerfile="FROM x",
        entrypoint="agent:go",
        query="hello",
        env={"K": "V"},
        timeout_s=7,
        resources=Resources(cpu=2, memory_mib=1024).model_dump(),
        network=False,
    )
    spec = specification(test)
    assert (spec.test_id, spec.attempt, spec.user_id) == (test.id, 1, test.user_id)
    assert (spec.agent_code, spec.requirements, spec.dockerfile) == ("code", ("a==1", "b"), "FROM x")
    assert (spec.entrypoint, spec.query, spec.env) == ("agent:go", "hello", {"K": "V"})
    assert (spec.timeout_s, spec.cpu, spec.memory_mib, spec.network) == (7, 2.0, 1024, False)
    assert (spec.nonce, spec.first_seq) == ("nonce", 1)


def test_debian_packages_of_the_test_reach_a_task_that_has_to_look_for_them() -> None:
    with_packages = json.loads(whole(specification(launched(system_packages=["git", "nodejs"]))))
    assert with_packages["system_packages"] == ["git", "nodejs"]
    assert "system_packages" not in json.loads(whole(specification(launched())))


def test_the_limits_of_the_output_reach_the_harness() -> None:
    usual = json.loads(whole(specification(launched())))["limits"]
    assert usual == {"lines": 100_000, "bytes": 52_428_800, "line_bytes": 16_384, "response_bytes": 1_048_576}
    chosen = json.loads(whole(specification(launched(), log_limits=LogLimits(lines=500_000, size=1 << 20))))["limits"]
    assert chosen == {**usual, "lines": 500_000, "bytes": 1_048_576}


@pytest.mark.parametrize(
    "given",
    [
        {"orchestrator_log_max_lines": MOST_LINES + 1},
        {"orchestrator_log_max_lines": 0},
        {"orchestrator_log_max_mib": 151},
        {"orchestrator_log_max_mib": 0},
    ],
)
def test_limits_of_the_output_that_numbers_or_files_do_not_suffice_for_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(BadEnvironment, match=f"ASSAY_{next(iter(given)).upper()}: "):
        OrchestratorSettings(**given)
    usual = OrchestratorSettings()
    assert LogLimits(usual.orchestrator_log_max_lines, usual.orchestrator_log_max_mib << 20) == LogLimits()


@pytest.mark.parametrize(
    ("limit", "said", "left"),
    [
        pytest.param(100_000, 100_001, 100_000, id="each step has the limit for itself"),
        pytest.param(MOST_LINES, 700_000, MOST_LINES - 700_000, id="what is left of the numbers"),
        pytest.param(MOST_LINES, MOST_LINES + 1, 1, id="the numbers are used up"),
    ],
)
def test_the_steps_of_an_attempt_stay_among_its_numbers(limit: int, said: int, left: int) -> None:
    spec = specification(launched(attempt=2), log_limits=LogLimits(lines=limit))
    context = json.loads(whole(spec))
    later = going_on(context, first_seq(2) - 1 + said)
    assert later["first_seq"] == first_seq(2) + said
    assert later["limits"] == {**context["limits"], "lines": left}
    assert attempt_of(later["first_seq"] - 1 + left + BLOCK // 10_000) == 2


FILES = ArchiveRef(digest="d")


@pytest.mark.parametrize(
    "given",
    [
        {"without_query": True},
        {"strict_answer": True},
        {"system_packages": ["git"]},
        {"project": FILES, "agent_path": "main.py"},
        {"inputs": FILES},
    ],
    ids=lambda given: next(iter(given)),
)
def test_a_harness_of_before_is_not_given_what_it_would_leave_out_without_a_word(given: dict[str, Any]) -> None:
    assert json.loads(whole(specification(launched(**given))).partition(b"\n")[0])["version"] == 2


def test_a_harness_of_before_may_run_what_it_knows() -> None:
    test = launched(agent_code="x", requirements=["a==1"], query="q", env={"A": "b"}, entrypoint="agent:go")
    assert json.loads(whole(specification(test)))["version"] == 1


def test_the_same_attempt_gives_the_same_spec_and_another_one_another_token_and_numbers() -> None:
    test = launched()
    assert specification(test) == specification(test)
    again = test.model_copy(update={"attempt": 2})
    assert specification(test).launch_token == launch_token(test.id, 1) != specification(again).launch_token
    assert specification(again).first_seq == first_seq(2)


def test_no_entry_point_is_left_to_the_harness() -> None:
    assert specification(launched()).entrypoint is None


MODELS = {
    "none": (None, {}),
    "bedrock": (
        ModelSetting(provider="bedrock", model_id="m", region="eu-west-1"),
        {"MODEL_PROVIDER": "bedrock", "MODEL_ID": "m", "BEDROCK_MODEL_ID": "m"}
        | dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_REGION_NAME"), "eu-west-1"),
    ),
    "ollama": (
        ModelSetting(provider="ollama", model_id="m", base_url="http://h:1"),
        {
            "MODEL_PROVIDER": "ollama",
            "MODEL_ID": "m",
            "OLLAMA_HOST": "http://h:1",
            "OLLAMA_BASE_URL": "http://h:1",
            "OLLAMA_API_BASE": "http://h:1",
            "MODEL_BASE_URL": "http://h:1",
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
        },
    ),
    "another": (
        ModelSetting(provider="openai", base_url="http://h:1"),
        {"MODEL_PROVIDER": "openai", "OPENAI_AGENTS_DISABLE_TRACING": "1"}
        | dict.fromkeys(("MODEL_BASE_URL", "OPENAI_BASE_URL", "OPENAI_API_BASE"), "http://h:1"),
    ),
}


@pytest.mark.parametrize(("model", "expected"), MODELS.values(), ids=MODELS.keys())
def test_a_model_becomes_environment_variables(model: ModelSetting | None, expected: dict[str, str]) -> None:
    assert model_variables(model) == expected


def test_a_test_that_names_no_model_gets_the_operators() -> None:
    default = ModelSetting(provider="ollama", model_id="small", base_url="http://ollama:11434")
    unnamed = specification(launched(), default_model=default).env
    assert unnamed == {
        "MODEL_PROVIDER": "ollama",
        "MODEL_ID": "small",
        "OLLAMA_HOST": "http://ollama:11434",
        "OLLAMA_BASE_URL": "http://ollama:11434",
        "OLLAMA_API_BASE": "http://ollama:11434",
        "MODEL_BASE_URL": "http://ollama:11434",
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
    }
    named = specification(launched(model=ModelSetting(provider="ollama", model_id="large")), default_model=default).env
    assert named == {**unnamed, "MODEL_ID": "large"}
    other = specification(launched(model=ModelSetting(provider="openai", model_id="m")), default_model=default).env
    assert other == {"MODEL_PROVIDER": "openai", "MODEL_ID": "m"}


def test_the_users_own_variables_win() -> None:
    spec = specification(launched(model=MODELS["bedrock"][0], env={"MODEL_ID": "mine", "OTHER": "x"}))
    assert spec.env is not None
    assert (spec.env["MODEL_ID"], spec.env["BEDROCK_MODEL_ID"], spec.env["OTHER"]) == ("mine", "m", "x")
