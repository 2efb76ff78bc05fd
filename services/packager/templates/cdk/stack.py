"""One agent as an ECS service on Fargate."""

import re
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

PACKAGE = Path(__file__).resolve().parents[1]
GEOGRAPHY = re.compile(r"(?:us|us-gov|eu|apac|jp|au|ca|sa|me|global)\.(?=[a-z0-9-]+\.)")
MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*")


class AgentStack(cdk.Stack):
    """Network, cluster, role, log group, service, and a load balancer where one is wanted."""

    def __init__(self, scope: Construct, name: str, *, config: dict, **kwargs) -> None:
        super().__init__(scope, name, description="An agent packaged by Assay", **kwargs)
        missing = [key for key, value in config["environment"].items() if value is None]
        if missing:
            raise SystemExit(
                f'cdk/config.json: fill in, or remove, these under "environment": {", ".join(missing)}.\n'
                'A value that is a secret belongs under "secrets": {"NAME": "its name in Secrets Manager"}.'
            )
        for key, value in config["environment"].items():
            if (
                "{{resolve:" in value or "${Token[" in value
            ):  # CloudFormation and the CDK would put something else there
                raise SystemExit(f"cdk/config.json: {key} cannot be a value with {{{{resolve: or ${{Token[ in it")
        self.config = config
        self.port = config["port"]
        self.vpc = self._vpc()
        self.log_group = logs.LogGroup(
            self, "Logs", retention=logs.RetentionDays.ONE_MONTH, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        self.service = self._service(self._task())
        self._open(config["allowed_cidrs"])
        if config["load_balancer"]:
            self._load_balancer()
        cdk.CfnOutput(self, "LogGroupName", value=self.log_group.log_group_name)
        cdk.CfnOutput(self, "ClusterName", value=self.service.cluster.cluster_name)
        cdk.CfnOutput(self, "ServiceName", value=self.service.service_name)

    def _vpc(self) -> ec2.IVpc:
        if self.config["vpc_id"]:
            return ec2.Vpc.from_lookup(self, "Vpc", vpc_id=self.config["vpc_id"])
        # Public subnets only: a NAT gateway costs more than the agent. Nothing can come in that is not let in below.
        public = ec2.SubnetConfiguration(name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24)
        return ec2.Vpc(self, "Vpc", max_azs=2, nat_gateways=0, subnet_configuration=[public])

    @property
    def _has_private_subnets(self) -> bool:
        return bool(self.config["vpc_id"] and self.vpc.private_subnets)

    def _task(self) -> ecs.FargateTaskDefinition:
        config = self.config
        x86 = config["cpu_architecture"] == "X86_64"
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            cpu=config["cpu"],
            memory_limit_mib=config["memory_mib"],
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.X86_64 if x86 else ecs.CpuArchitecture.ARM64,
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
        )
        init = ecs.LinuxParameters(self, "Init", init_process_enabled=True)
        container = task.add_container(
            "agent",
            image=self._image(ecr_assets.Platform.LINUX_AMD64 if x86 else ecr_assets.Platform.LINUX_ARM64),
            environment={**config["environment"], "PORT": str(self.port)},
            secrets={variable: self._secret(variable, name) for variable, name in config["secrets"].items()},
            port_mappings=[ecs.PortMapping(container_port=self.port)],
            health_check=ecs.HealthCheck(
                command=config["health_command"],
                interval=cdk.Duration.seconds(15),
                timeout=cdk.Duration.seconds(5),
                start_period=cdk.Duration.seconds(90),
            ),
            logging=ecs.LogDrivers.aws_logs(stream_prefix="agent", log_group=self.log_group),
            linux_parameters=init,
            readonly_root_filesystem=True,
            stop_timeout=cdk.Duration.seconds(30),
        )
        task.add_volume(name="tmp")
        container.add_mount_points(ecs.MountPoint(container_path="/tmp", source_volume="tmp", read_only=False))  # noqa: S108
        self._allow_model(task.task_role)
        return task

    def _image(self, platform: ecr_assets.Platform) -> ecs.ContainerImage:
        if self.config["image"]:
            return ecs.ContainerImage.from_registry(self.config["image"])
        return ecs.ContainerImage.from_asset(
            str(PACKAGE), file=self.config["dockerfile"], platform=platform, exclude=["cdk", ".env"]
        )

    def _secret(self, variable: str, name: str) -> ecs.Secret:
        """`name`, or `name#key` for one key of a secret that is a JSON object."""
        name, _, key = name.partition("#")
        secret = secretsmanager.Secret.from_secret_name_v2(self, f"Secret-{variable}", name)
        return ecs.Secret.from_secrets_manager(secret, key or None)

    def _allow_model(self, role: iam.IRole) -> None:
        """The agent may call its model on Bedrock, and nothing else of AWS."""
        model = self.config["model"]
        if model["provider"] != "bedrock" or not model["model_id"]:
            return
        if not MODEL_ID.fullmatch(model["model_id"]):
            raise SystemExit(f"cdk/config.json: {model['model_id']!r} is not the id or ARN of a model on Bedrock")
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
                resources=self._model_arns(model["model_id"], model["region"] or self.region),
            )
        )

    def _model_arns(self, model_id: str, region: str) -> list[str]:
        if model_id.startswith("arn:"):
            return [model_id]
        bedrock = f"arn:{self.partition}:bedrock"
        if not GEOGRAPHY.match(model_id):
            return [f"{bedrock}:{region}::foundation-model/{model_id}"]
        # An inference profile calls its model in several regions.
        return [
            f"{bedrock}:{region}:{self.account}:inference-profile/{model_id}",
            f"{bedrock}:*::foundation-model/{GEOGRAPHY.sub('', model_id, count=1)}",
        ]

    def _service(self, task: ecs.FargateTaskDefinition) -> ecs.FargateService:
        public = not self._has_private_subnets
        kind = ec2.SubnetType.PUBLIC if public else ec2.SubnetType.PRIVATE_WITH_EGRESS
        return ecs.FargateService(
            self,
            "Service",
            cluster=ecs.Cluster(self, "Cluster", vpc=self.vpc),
            task_definition=task,
            desired_count=self.config["desired_count"],
            min_healthy_percent=100,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            vpc_subnets=ec2.SubnetSelection(subnet_type=kind),
            assign_public_ip=public,
        )

    def _open(self, cidrs: list[str]) -> None:
        for cidr in cidrs:
            self.service.connections.allow_from(ec2.Peer.ipv4(cidr), ec2.Port.tcp(self.port), "config.json")

    def _load_balancer(self) -> None:
        config = self.config
        balancer = elbv2.ApplicationLoadBalancer(
            self,
            "LoadBalancer",
            vpc=self.vpc,
            internet_facing=config["internet_facing"],
            vpc_subnets=ec2.SubnetSelection(
                subnet_type=ec2.SubnetType.PUBLIC
                if config["internet_facing"] or not self._has_private_subnets
                else ec2.SubnetType.PRIVATE_WITH_EGRESS
            ),
            drop_invalid_header_fields=True,
            idle_timeout=cdk.Duration.seconds(min(4000, max(60, config["timeout_s"] + 10))),
        )
        arn = config["certificate_arn"]
        certificate = acm.Certificate.from_certificate_arn(self, "Certificate", arn) if arn else None
        listener = balancer.add_listener(
            "Listener",
            port=443 if certificate else 80,
            protocol=elbv2.ApplicationProtocol.HTTPS if certificate else elbv2.ApplicationProtocol.HTTP,
            certificates=[certificate] if certificate else None,
            ssl_policy=elbv2.SslPolicy.RECOMMENDED_TLS if certificate else None,
            open=config["internet_facing"],
        )
        if not config["internet_facing"]:
            listener.connections.allow_default_port_from(ec2.Peer.ipv4(self.vpc.vpc_cidr_block), "the VPC")
        listener.add_targets(
            "Agent",
            port=self.port,
            protocol=elbv2.ApplicationProtocol.HTTP,
            targets=[self.service],
            health_check=elbv2.HealthCheck(path="/healthz", interval=cdk.Duration.seconds(15)),
            deregistration_delay=cdk.Duration.seconds(30),
        )
        scheme = "https" if certificate else "http"
        cdk.CfnOutput(self, "Url", value=f"{scheme}://{balancer.load_balancer_dns_name}/query")
