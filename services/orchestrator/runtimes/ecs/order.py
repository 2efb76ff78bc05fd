"""The parameters of RunTask: a pure function of the launch, so that a repeated one sends the same bytes (ADR 17)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from services.orchestrator.ports import LaunchFailed
from services.orchestrator.runtimes.ecs.options import EcsOptions
from services.orchestrator.runtimes.ecs.task import CONTAINER, EcsTask
from shared.domain.failure import FailureCode

LARGEST_OVERRIDES: Final = 8192  # characters; ECS API reference, RunTask


def order_for(task: EcsTask, family: str, environment: Mapping[str, str], options: EcsOptions) -> dict[str, Any]:
    """What RunTask is called with. Raises LaunchFailed where ECS would not take it."""
    overrides = {
        "containerOverrides": [
            {
                "name": CONTAINER,
                "environment": [{"name": name, "value": value} for name, value in sorted(environment.items())],
            }
        ]
    }
    size = len(json.dumps(overrides, separators=(",", ":")))
    if size > LARGEST_OVERRIDES:
        raise LaunchFailed(
            FailureCode.INTERNAL,
            f"The links to context and result need {size} characters and ECS takes {LARGEST_OVERRIDES}: the session "
            "token of the orchestrator's role is too long. The operator should give it a role with fewer session tags.",
        )
    network: dict[str, Any] = {
        "subnets": list(options.subnets),
        "assignPublicIp": "ENABLED" if options.public_ip else "DISABLED",
    }
    if options.security_groups:
        network["securityGroups"] = list(options.security_groups)
    where: dict[str, Any] = (
        {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]}
        if options.spot
        else {"launchType": "FARGATE"}
    )
    return {
        "taskDefinition": family,
        "clientToken": task.token,
        "startedBy": task.started_by,
        "group": options.group,
        "tags": [
            {"key": "assay:test", "value": task.test_id},
            {"key": "assay:attempt", "value": str(task.attempt)},
            {"key": "assay:deployment", "value": options.deployment},
        ],
        "networkConfiguration": {"awsvpcConfiguration": network},
        "overrides": overrides,
        "platformVersion": options.platform_version,
        "enableExecuteCommand": False,
        **where,
    }
