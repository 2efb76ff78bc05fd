from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.orchestrator.ports import LaunchFailed
from services.orchestrator.runtimes.ecs.definition import definition_of
from services.orchestrator.runtimes.ecs.options import EcsOptions, NotConfigured
from services.orchestrator.runtimes.ecs.order import order_for
from services.orchestrator.runtimes.ecs.sizes import Size
from services.orchestrator.runtimes.ecs.task import EcsTask, owner_of, stream_of
from services.orchestrator.settings import OrchestratorSettings
from shared.ids import new_test_id
from tests.support.scripted_aws import OPTIONS

SIZE = Size(256, 512)
TASK = EcsTask(
    token="0" * 32,
    test_id=new_test_id(),
    attempt=2,
    cluster="tests",
    context_key="contexts/c.json",
    result_key="results/r.json",
    since=datetime(2026, 3, 1, tzinfo=UTC),
)


def container(**changes: Any) -> dict[str, Any]:
    definition = definition_of(SIZE, {}, replace(OPTIONS, **changes))
    found: dict[str, Any] = definition.fields["containerDefinitions"][0]
    return found


def test_the_same_needs_have_the_same_family_and_others_another() -> None:
    first = definition_of(SIZE, {"A": "arn:1", "B": "arn:2"}, OPTIONS).family
    assert definition_of(SIZE, {"B": "arn:2", "A": "arn:1"}, OPTIONS).family == first
    others = {
        definition_of(Size(512, 1024), {"A": "arn:1", "B": "arn:2"}, OPTIONS).family,
        definition_of(SIZE, {"A": "arn:1"}, OPTIONS).family,
        definition_of(SIZE, {"A": "arn:1", "B": "arn:2"}, replace(OPTIONS, image="runner:2")).family,
        definition_of(SIZE, {"A": "arn:1", "B": "arn:2"}, replace(OPTIONS, task_role="role")).family,
    }
    assert len({first, *others}) == 5


def test_the_container_may_do_little_and_never_waits_for_its_log() -> None:
    made = container()
    assert made["readonlyRootFilesystem"] is True
    assert made["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    assert made["mountPoints"] == [{"sourceVolume": "tmp", "containerPath": "/tmp", "readOnly": False}]
    assert made["logConfiguration"]["options"]["mode"] == "non-blocking"
    assert made["stopTimeout"] == 30
    assert "mountPoints" not in container(readonly_root=False)


def test_spot_is_asked_for_by_its_capacity_provider() -> None:
    order = order_for(TASK, "family", {}, replace(OPTIONS, spot=True))
    assert order["capacityProviderStrategy"] == [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    assert "launchType" not in order
    assert order_for(TASK, "family", {}, OPTIONS)["launchType"] == "FARGATE"


def test_the_task_says_whose_it_is() -> None:
    order = order_for(TASK, "family", {}, OPTIONS)
    assert owner_of(order["startedBy"]) == (TASK.test_id, 2)
    assert owner_of("somebody else") is None
    assert {tag["key"]: tag["value"] for tag in order["tags"]} == {
        "assay:test": TASK.test_id,
        "assay:attempt": "2",
        "assay:deployment": "assay",
    }


def test_links_that_ecs_would_not_take_are_noticed_before() -> None:
    with pytest.raises(LaunchFailed, match="session token"):
        order_for(TASK, "family", {"ASSAY_CONTEXT_URL": "x" * 8200}, OPTIONS)


def test_a_handle_is_plain_and_comes_back_whole() -> None:
    task = replace(TASK, arn="arn:aws:ecs:eu-central-1:1:task/tests/0123")
    assert EcsTask.of(json.loads(json.dumps(dict(task.handle)))) == task
    assert stream_of(task.arn) == "assay/agent/0123"


def test_every_setting_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(NotConfigured) as missing:
        EcsOptions.of(OrchestratorSettings(runtime="ecs", ecs_cluster="c", ecs_subnets=" , "))
    for name in ("ECS_SUBNETS", "ECS_IMAGE", "ECS_EXECUTION_ROLE_ARN", "AWS_BUCKET"):
        assert f"ASSAY_{name} (" in str(missing.value)
    assert "ECS_CLUSTER" not in str(missing.value)


def test_settings_become_options() -> None:
    settings = OrchestratorSettings(
        runtime="ecs",
        ecs_cluster="c",
        ecs_subnets="subnet-1, subnet-2",
        ecs_image="i",
        ecs_execution_role_arn="r",
        aws_bucket="b",
        ecs_capacity_provider="FARGATE_SPOT",
    )
    options = EcsOptions.of(settings)
    assert options.subnets == ("subnet-1", "subnet-2")
    assert options.security_groups == ()
    assert options.spot
    assert settings.grace_s == options.stop_timeout_s == 30
