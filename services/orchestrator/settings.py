"""The orchestrator's settings:

environment variables `ASSAY_ORCHESTRATOR_*`, `ASSAY_RUNTIME` and those of the runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from shared.aws.settings import AwsSettings
from shared.domain.destinations import parse_all
from shared.domain.logsequence import MOST_LINES
from shared.domain.pricing import ARM, Prices
from shared.settings import CommonSettings
from shared.store.documents import ModelSetting
from shared.store.settings import EncryptionSettings


class OrchestratorSettings(CommonSettings, AwsSettings, EncryptionSettings):
    """Settings of the orchestrator. Those of AWS matter to the ecs runtime only."""

    runtime: Literal["process", "ecs", "scripted"] = Field("process", description="where tasks run")
    orchestrator_lease_s: float = Field(
        30.0, gt=0, description="a task whose orchestrator has not said so for this long is taken over by another one"
    )
    orchestrator_poll_s: float = Field(1.0, gt=0, description="how often running tasks are looked at without a hint")
    orchestrator_start_limit_s: float = Field(
        600.0, gt=0, description="time for launch and build, on top of the test's own time limit"
    )
    orchestrator_books_s: float = Field(
        2.0, gt=0, description="how often what has ended is added to the counters of usage and cost, in seconds"
    )
    orchestrator_grace_s: float = Field(10.0, ge=0, description="time between asking a task to stop and ending it")
    orchestrator_outputs_max_bytes: int = Field(
        25 << 20, ge=0, le=100 << 20, description="bytes of the files an agent leaves that are kept; 0 keeps none"
    )
    orchestrator_outputs_max_files: int = Field(
        # the harness keeps them open until they are handed over
        100,
        ge=0,
        le=500,
        description="files an agent leaves that are kept; 0 keeps none",
    )
    orchestrator_outputs_keep_days: int = Field(
        30, ge=1, le=3_650, description="how long the files that an agent left are kept, in days"
    )
    orchestrator_log_max_lines: int = Field(
        100_000,
        ge=100,
        le=MOST_LINES,
        description="lines of a test's output that are kept, of each attempt; the agent runs on",
    )
    orchestrator_log_max_mib: int = Field(
        # The file that a process writes it to may have 1 GiB (orders.py), where a character takes up to six bytes.
        50,
        ge=1,
        le=150,
        description="and how much text they may have, in MiB",
    )
    process_root: Path = Field(
        Path(".assay/tasks"), description="process runtime: folder of tasks, environments and caches"
    )
    process_isolation: Literal["auto", "required", "off"] = Field(
        "required",
        description="process runtime: required = a sandbox with limits, or no start; auto (what local mode sets) = one "
        "where the machine allows it, else a plain process and a loud warning; off = plain processes",
    )
    process_cgroups: bool = Field(True, description="process runtime: limits by cgroup where they can be had")
    process_max_processes: int = Field(
        64, ge=1, description="process runtime: processes and threads an agent may have at once"
    )
    process_open_files: int = Field(4096, ge=64, description="process runtime: files an agent may have open at once")
    process_cpu_quota: bool = Field(
        True, description="process runtime: hold each task to its vCPU; otherwise idle processors are anybody's"
    )
    process_network: Literal["own", "host"] = Field(
        "own",
        description="process runtime: own = tests with network reach the internet from a network of their own; host = "
        "all that this machine reaches, its own servers included",
    )
    process_egress_allow: str = Field(
        "",
        description="process runtime: what every test reaches beside the internet, separated by commas: 10.20.0.0/16, "
        "10.20.1.7:8000, models.intra:443, 127.0.0.1:11434",
    )
    process_allow_hosts: str = Field(
        "",
        description="process runtime: what a test may ask for beside that (assay submit --allow-host), written alike",
    )
    process_nice: int = Field(
        5, ge=0, le=19, description="process runtime: niceness of tasks, so that services stay quick on a busy machine"
    )
    process_uid_base: int = Field(
        1_900_000_000, ge=1, description="process runtime: first of the user ids that tasks run under (as root only)"
    )
    process_uid_count: int = Field(65_536, ge=1, description="process runtime: how many user ids there are for tasks")
    process_build_memory_mib: int = Field(
        2048, ge=256, description="process runtime: memory for installing requirements, MiB"
    )
    process_build_processes: int = Field(256, ge=1, description="process runtime: processes while installing")
    process_build_timeout_s: int = Field(
        600, ge=1, description="process runtime: time for installing requirements, seconds"
    )
    process_build_disk_mib: int = Field(
        # torch with CUDA: 7 GiB in the cache and as much in the environment.
        16_384,
        ge=64,
        description="process runtime: disk that installing requirements may take, downloads included, MiB",
    )
    process_build_env: dict[str, str] = Field(
        default_factory=dict,
        description="process runtime: environment for installing, as JSON: UV_INDEX_URL, HTTPS_PROXY ...",
    )
    process_keep_outputs_s: float = Field(
        86_400.0, gt=0, description="process runtime: how long a task's output stays on disk after its end, seconds"
    )
    process_keep_environments_s: float = Field(
        604_800.0, gt=0, description="process runtime: how long an environment stays that no test uses, seconds"
    )
    process_interpreter: str = Field("/usr/bin/python3", description="process runtime: the agents' Python, below /usr")
    process_secrets_dir: Path | None = Field(
        None,
        description="process runtime: folder of the secrets that tests may refer to, a file for each, named as in the "
        "reference (alice/api-key) and closed to others (mode 0400 or 0440); none = no such folder",
    )
    process_secrets_env_prefix: str = Field(
        "",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*_)?$",
        description="process runtime: variables of the orchestrator with this prefix, which ends in _, are secrets "
        "that tests may refer to; behind it stands the name with __ for / (ASSAY_SECRET_alice__api_key for "
        "alice/api_key); none = none",
    )
    process_secret_prefixes: str = Field(
        "{user}/",
        # A name has a / and its variable a __, which none of our own settings has: no test can name one of those.
        pattern=r"^ *[A-Za-z0-9_+=.@{}/-]+/ *(, *[A-Za-z0-9_+=.@{}/-]+/ *)*$",
        description="process runtime: what the name of every secret that a test may refer to begins with, one or more "
        "separated by commas, each with a / at its end; {user} stands for the test's user",
    )
    default_model_provider: str = Field(
        "", description="model provider of tests that name none: agents see it as MODEL_PROVIDER (bedrock, ollama ...)"
    )
    default_model_id: str = Field("", description="its model: MODEL_ID, with bedrock also BEDROCK_MODEL_ID")
    default_model_base_url: str = Field("", description="its address: MODEL_BASE_URL, and what its libraries read")
    default_model_region: str = Field("", description="its region: AWS_REGION, AWS_DEFAULT_REGION")
    ecs_cluster: str = Field("", description="ecs runtime: name or ARN of the cluster; required")
    ecs_subnets: str = Field("", description="ecs runtime: ids of the subnets, separated by commas; required")
    ecs_security_groups: str = Field(
        "", description="ecs runtime: ids of the security groups, separated by commas; none = the VPC's default one"
    )
    ecs_assign_public_ip: bool = Field(
        False, description="ecs runtime: tasks get a public address; needed in subnets that have no NAT gateway"
    )
    ecs_image: str = Field("", description="ecs runtime: image built from deploy/docker/runner.Dockerfile; required")
    ecs_execution_role_arn: str = Field(
        "", description="ecs runtime: role that pulls the image, writes logs and reads secrets; required"
    )
    ecs_task_role_arn: str = Field("", description="ecs runtime: role of the agents, for Bedrock; none = no AWS at all")
    ecs_capacity_provider: Literal["FARGATE", "FARGATE_SPOT"] = Field(
        "FARGATE", description="ecs runtime: FARGATE_SPOT is cheaper and may be taken away; the cluster must have it"
    )
    ecs_platform_version: str = Field("LATEST", description="ecs runtime: version of the Fargate platform")
    ecs_cpu_architecture: Literal["X86_64", "ARM64"] = Field(
        "X86_64", description="ecs runtime: architecture that the image was built for"
    )
    ecs_stop_timeout_s: int = Field(
        30, ge=2, le=120, description="ecs runtime: time between asking a container to stop and killing it, seconds"
    )
    ecs_start_timeout_s: float = Field(
        600.0, gt=0, description="ecs runtime: a task that does not run after so long is given up, seconds"
    )
    ecs_deployment: str = Field(
        "assay",
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="ecs runtime: name of this installation; two that share a cluster must differ",
    )
    ecs_secret_prefix: str = Field(
        "assay/",
        description="ecs runtime: what the name of every secret that a test may refer to begins with; {user} stands "
        "for the test's user",
    )
    ecs_readonly_root: bool = Field(
        True, description="ecs runtime: agents can write to /tmp only; needs VOLUME /tmp in the image, as ours has"
    )
    ecs_events_queue_url: str = Field(
        "", description="ecs runtime: SQS queue that EventBridge fills with task state changes; none = polling alone"
    )
    ecs_objects_url: str = Field(
        "", description="ecs runtime: address of S3 as tasks see it, where an emulator has another one for them"
    )

    price_runtimes: str = Field(
        "ecs", description="runtimes whose tasks are charged for, separated by commas; local processes cost nothing"
    )
    price_vcpu_hour: float = Field(
        0.04048,
        ge=0,
        description="US dollars for a vCPU for an hour; Fargate us-east-1: x86 0.04048, ARM 0.03238",
    )
    price_gb_hour: float = Field(
        0.004445, ge=0, description="US dollars for a GiB of memory for an hour; Fargate: x86 0.004445, ARM 0.00356"
    )
    price_least_s: float = Field(60.0, ge=0, description="shortest time that is charged for a task, seconds")
    price_logs_gb: float = Field(0.50, ge=0, description="US dollars for a GB of log data taken in")
    price_storage_gb_month: float = Field(
        0.023, ge=0, description="US dollars for a GB of stored packages for 30 days; S3 Standard us-east-1"
    )

    @field_validator("process_egress_allow", "process_allow_hosts")
    @classmethod
    def _destinations(cls, value: str) -> str:
        parse_all(value)  # a BadDestination is a ValueError, and its words say what to write
        return value

    @property
    def prices(self) -> Prices:
        """The price table. On ARM the prices of ARM hold, where none were given."""
        arm = self.ecs_cpu_architecture == "ARM64"
        given = self.model_fields_set
        return Prices(
            vcpu_hour=ARM.vcpu_hour if arm and "price_vcpu_hour" not in given else self.price_vcpu_hour,
            gb_hour=ARM.gb_hour if arm and "price_gb_hour" not in given else self.price_gb_hour,
            logs_gb=self.price_logs_gb,
            storage_gb_month=self.price_storage_gb_month,
            least_s=self.price_least_s,
        )

    @property
    def charged_runtimes(self) -> frozenset[str]:
        """Runtimes whose tasks cost something."""
        return frozenset(name.strip() for name in self.price_runtimes.split(",") if name.strip())

    @property
    def grace_s(self) -> float:
        """Time between asking a task to stop and ending it, where the task is."""
        return float(self.ecs_stop_timeout_s) if self.runtime == "ecs" else self.orchestrator_grace_s

    @property
    def default_model(self) -> ModelSetting | None:
        """What tests use that name no model."""
        if not self.default_model_provider:
            return None
        return ModelSetting(
            provider=self.default_model_provider,
            model_id=self.default_model_id,
            base_url=self.default_model_base_url,
            region=self.default_model_region,
        )
