"""cdk/config.json: every value that the CDK app needs, so that none has to be pasted into code."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from services.packager.content.docker import port
from services.packager.content.environment import defaults, is_local, needed
from services.packager.content.facts import PackageFacts
from services.packager.content.names import service_name
from services.packager.content.text import json_file

_VPC: Final = re.compile(r"vpc-[0-9a-f]{8,17}")


class FargateSize(NamedTuple):
    """CPU units and memory that Fargate offers together."""

    cpu: int
    memory_mib: int


# Amazon ECS developer guide, "Task CPU and memory": CPU units, least and most memory, step (MiB)
_SIZES: Final = (
    (256, 512, 512, 512),
    (256, 1024, 2048, 1024),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122880, 8192),
)


def fargate_size(cpu: float, memory_mib: int) -> FargateSize:
    """The smallest size that has what the test had; the largest that there is where nothing has."""
    for units, least, most, step in _SIZES:
        if units >= cpu * 1024 and memory_mib <= most:
            return FargateSize(units, least + max(0, -(-(memory_mib - least) // step)) * step)
    return FargateSize(_SIZES[-1][0], _SIZES[-1][2])


def cdk_config(facts: PackageFacts) -> bytes:
    """null among the environment: to be filled in before the stack can be made."""
    options = facts.options
    if options.vpc_id and not _VPC.fullmatch(options.vpc_id):
        raise ValueError('vpc_id must be the id of a VPC, such as "vpc-0123456789abcdef0"')
    name = service_name(facts)
    model = facts.model
    size = fargate_size(facts.cpu, facts.memory_mib)
    values = defaults(facts)
    environment: dict[str, str | None] = {
        variable: None if variable.endswith("_BASE_URL") and is_local(value) else value
        for variable, value in values.items()
    }
    environment |= {variable: None for variable in needed(facts) if variable not in facts.secret_names}
    return json_file(
        {
            "service_name": name.rstrip("-"),
            "port": port(facts),
            "cpu": size.cpu,
            "memory_mib": size.memory_mib,
            "cpu_architecture": "X86_64",
            "desired_count": 1,
            "timeout_s": facts.timeout_s,
            "vpc_id": options.vpc_id,
            "load_balancer": options.load_balancer,
            "internet_facing": False,
            "certificate_arn": "",
            "allowed_cidrs": [],
            "image": "",
            "dockerfile": "Dockerfile",
            "health_command": ["CMD", "python", "/app/server.py", "--check"],
            "environment": dict(sorted(environment.items())),
            "secrets": {variable: f"{name}/{variable}" for variable in sorted(facts.secret_names)},
            "model": {
                "provider": model.provider if model else "",
                "model_id": values.get("MODEL_ID", ""),
                "region": values.get("AWS_REGION", ""),
            },
        }
    )
