"""The task definition of a test: a pure function. Its family is named by its content, so that tests that want the same
share one, and a family never has two meanings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from services.orchestrator.runtimes.ecs.options import EcsOptions
from services.orchestrator.runtimes.ecs.sizes import Size
from services.orchestrator.runtimes.ecs.task import CONTAINER, STREAM_PREFIX

BUFFER: Final = "25m"
WRITABLE: Final = "/tmp"  # noqa: S108 - of the container, which is one test's alone
_VOLUME: Final = "tmp"


class Definition(NamedTuple):
    """What RegisterTaskDefinition is called with."""

    family: str
    fields: Mapping[str, Any]


def definition_of(size: Size, secrets: Mapping[str, str], options: EcsOptions) -> Definition:
    """The definition for this size and these secrets (variable -> ARN)."""
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": options.image,
        "essential": True,
        "stopTimeout": options.stop_timeout_s,
        "readonlyRootFilesystem": options.readonly_root,
        # The harness is the first process on purpose: what it starts cannot end it.
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}, "initProcessEnabled": False},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": options.log_group,
                "awslogs-region": options.region,
                "awslogs-stream-prefix": STREAM_PREFIX,
                # Blocking would hold an agent up while CloudWatch is slow, and end it by its time limit: a test must
                # not fail for that. What a full buffer drops is known by its numbers and told (docs/adr/0017).
                "mode": "non-blocking",
                "max-buffer-size": BUFFER,
            },
        },
    }
    if secrets:
        container["secrets"] = [{"name": name, "valueFrom": arn} for name, arn in sorted(secrets.items())]
    fields: dict[str, Any] = {
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": str(size.cpu),
        "memory": str(size.memory),
        "runtimePlatform": {"cpuArchitecture": options.architecture, "operatingSystemFamily": "LINUX"},
        "executionRoleArn": options.execution_role,
        "containerDefinitions": [container],
    }
    if options.readonly_root:
        container["mountPoints"] = [{"sourceVolume": _VOLUME, "containerPath": WRITABLE, "readOnly": False}]
        fields["volumes"] = [{"name": _VOLUME}]
    if options.task_role:
        fields["taskRoleArn"] = options.task_role
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    family = f"assay-{digest[:12]}"
    return Definition(family, {"family": family, **fields})
