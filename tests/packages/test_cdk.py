"""The CDK app makes a template that cfn-lint accepts and CloudFormation (of the emulator) deploys."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.setup.cdk import CFN_LINT, PYTHON
from services.packager.content import ModelFacts, Options, PackageFacts
from tests.support.docker_engine import DockerEngine
from tests.support.emulator import REGION, Emulator, running_emulator
from tests.support.package_facts import facts, unpacked
from tests.support.until import until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cdk_environment")]

Template = dict[str, Any]
NOVA = "us.amazon.nova-lite-v1:0"
HOSTILE = 'it\'s "${AWS::Region}" {{x}} \\ \n $(id)'
VPC = "vpc-0123456789abcdef0"
ACCOUNT = "123456789012"
# Of cfn-lint, and why not: W3005, DependsOn that says what a Ref says, is written by the CDK; E1029, ${} outside of
# Fn::Sub, is what a value with ${} in it looks like.
NOT_MEANT = "W3005,E1029"


def synthesised(folder: Path, looked_up: Mapping[str, Any] | None = None, **config: Any) -> Template:
    """The template that the app of this package makes, with changes to its settings."""
    path = folder / "cdk" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **config}), "utf-8")
    done = app(folder, looked_up)
    assert done.returncode == 0, done.stderr[-3000:]
    (template,) = (folder / "cdk.out").glob("*.template.json")
    return {**json.loads(template.read_text("utf-8")), "path": str(template)}


def app(folder: Path, looked_up: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "CDK_OUTDIR": str(folder / "cdk.out")}
    env |= {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1", "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1"}
    settings = json.loads((folder / "cdk" / "cdk.json").read_text("utf-8"))
    # What the CDK's command line hands over: the account, and what it has looked up there.
    env |= {"CDK_DEFAULT_ACCOUNT": ACCOUNT, "CDK_DEFAULT_REGION": REGION} if looked_up else {}
    env["CDK_CONTEXT_JSON"] = json.dumps({**settings["context"], **(looked_up or {})})
    return subprocess.run(
        [str(PYTHON), "app.py"], cwd=folder / "cdk", env=env, capture_output=True, text=True, check=False, timeout=180
    )


def of_type(template: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [resource["Properties"] for resource in template["Resources"].values() if resource["Type"] == kind]


def only(found: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(found) == 1
    return found[0]


def lint(template: Mapping[str, Any]) -> None:
    done = subprocess.run(
        [str(CFN_LINT), "--ignore-checks", NOT_MEANT, "--", template["path"]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


FULL: PackageFacts = facts(
    env_names=("GREETING",),
    secret_names=("OPENAI_API_KEY",),
    model=ModelFacts("bedrock", NOVA, "", "us-east-1"),
    memory_mib=1024,
    options=Options(service_name="word-counter", load_balancer=True),
)


@pytest.fixture(scope="module")
def full(cdk_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A service with a load balancer, a secret and a model, in a VPC of its own."""
    return synthesised(
        unpacked(FULL, tmp_path_factory.mktemp("full")), environment={"GREETING": HOSTILE, "MODEL_ID": NOVA}
    )


def test_cfn_lint_accepts_it(full: Template) -> None:
    lint(full)


def test_values_arrive_as_they_are(full: Template) -> None:
    container = only(only(of_type(full, "AWS::ECS::TaskDefinition"))["ContainerDefinitions"])
    seen = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
    assert seen == {"PORT": "8080", "GREETING": HOSTILE, "MODEL_ID": NOVA}
    (secret,) = container["Secrets"]
    assert secret["Name"] == "OPENAI_API_KEY"
    assert "secret:word-counter/OPENAI_API_KEY" in json.dumps(secret["ValueFrom"])


def test_the_task_may_call_its_model_and_nothing_else(full: Template) -> None:
    policies = {policy["PolicyName"]: policy for policy in of_type(full, "AWS::IAM::Policy")}
    (task,) = (policy for name, policy in policies.items() if "TaskRole" in name)
    statement = only(task["PolicyDocument"]["Statement"])
    assert statement["Action"] == ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
    resources = json.dumps(statement["Resource"])
    assert f":inference-profile/{NOVA}" in resources
    assert "::foundation-model/amazon.nova-lite-v1:0" in resources
    assert len(statement["Resource"]) == 2
    assert "*" not in resources.replace(":bedrock:*::foundation-model/", "")


def test_it_is_careful(full: Template) -> None:
    service = only(of_type(full, "AWS::ECS::Service"))
    assert service["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    container = only(only(of_type(full, "AWS::ECS::TaskDefinition"))["ContainerDefinitions"])
    assert container["ReadonlyRootFilesystem"] is True
    assert container["HealthCheck"]["Command"] == ["CMD", "python", "/app/server.py", "--check"]
    assert only(of_type(full, "AWS::ElasticLoadBalancingV2::LoadBalancer"))["Scheme"] == "internal"
    assert only(of_type(full, "AWS::ElasticLoadBalancingV2::TargetGroup"))["HealthCheckPath"] == "/healthz"
    assert only(of_type(full, "AWS::Logs::LogGroup"))["RetentionInDays"] == 30
    open_to_all = [
        rule
        for group in of_type(full, "AWS::EC2::SecurityGroup")
        for rule in group.get("SecurityGroupIngress", [])
        if rule.get("CidrIp") == "0.0.0.0/0"
    ]
    assert open_to_all == []


def test_the_image_is_made_of_what_the_dockerfile_needs_and_no_secret(tmp_path: Path) -> None:
    folder = unpacked(facts(), tmp_path)
    (folder / ".env").write_text("OPENAI_API_KEY=sk-5ecret", "utf-8")
    template = synthesised(folder)
    (asset,) = (folder / "cdk.out").glob("asset.*")
    names = {str(path.relative_to(asset)) for path in asset.rglob("*")}
    assert names >= {"Dockerfile", "agent.py", "server.py", "agent.json", "requirements.txt"}
    assert not {".env", "cdk", "cdk.out"} & names
    assert of_type(template, "AWS::IAM::Policy")[0]["PolicyDocument"]["Statement"], "the execution role alone"
    assert not [policy for policy in of_type(template, "AWS::IAM::Policy") if "TaskRole" in policy["PolicyName"]]


def subnets(kind: str, first: int) -> dict[str, Any]:
    return {
        "name": kind,
        "type": kind,
        "subnets": [
            {
                "subnetId": f"subnet-0123456789abcde{number:02d}",
                "cidr": f"10.0.{number}.0/24",
                "availabilityZone": f"{REGION}{zone}",
                "routeTableId": f"rtb-0123456789abcde{number:02d}",
            }
            for number, zone in enumerate("ab", start=first)
        ],
    }


LOOKED_UP = {
    f"vpc-provider:account={ACCOUNT}:filter.vpc-id={VPC}:region={REGION}:returnAsymmetricSubnets=true": {
        "vpcId": VPC,
        "vpcCidrBlock": "10.0.0.0/16",
        "ownerAccountId": ACCOUNT,
        "availabilityZones": [],
        "subnetGroups": [subnets("Private", 10), subnets("Public", 20)],
    }
}


def test_an_existing_vpc_and_a_public_load_balancer(tmp_path: Path) -> None:
    folder = unpacked(facts(options=Options(vpc_id=VPC, load_balancer=True)), tmp_path)
    arn = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/12345678-1234-1234-1234-123456789012"
    settings = {"internet_facing": True, "certificate_arn": arn, "image": "registry.example.com/agent:1"}
    template = synthesised(folder, LOOKED_UP, **settings)
    lint(template)
    assert of_type(template, "AWS::EC2::VPC") == []
    assert only(of_type(template, "AWS::ElasticLoadBalancingV2::LoadBalancer"))["Scheme"] == "internet-facing"
    assert only(of_type(template, "AWS::ElasticLoadBalancingV2::Listener"))["Protocol"] == "HTTPS"
    assert (
        only(of_type(template, "AWS::ECS::Service"))["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"]
        == "DISABLED"
    )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"environment": {"GREETING": "{{resolve:ssm:/x}}"}}, "GREETING cannot be a value with {{resolve:"),
        ({}, 'fill in, or remove, these under "environment": GREETING'),
        ({"environment": {}, "model": {"provider": "bedrock", "model_id": "*", "region": ""}}, "is not the id or ARN"),
    ],
    ids=["a value is a reference", "a value is missing", "a wildcard for a model"],
)
def test_what_cannot_be_deployed_is_said_at_once(config: dict[str, Any], said: str, tmp_path: Path) -> None:
    folder = unpacked(FULL, tmp_path)
    path = folder / "cdk" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **config}), "utf-8")
    done = app(folder)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# --- Deployed


@pytest.fixture(scope="module")
def cloud(engine: DockerEngine) -> Iterator[Emulator]:
    with running_emulator(engine) as running:
        yield running


async def test_cloudformation_deploys_it(full: Template, cloud: Emulator) -> None:
    """On the emulator: with an image that is there, because building and pushing one is the CDK's command line's."""
    import boto3

    session = boto3.session.Session("test", "test", region_name=REGION)
    client = session.client("cloudformation", endpoint_url=cloud.url)
    session.client("secretsmanager", endpoint_url=cloud.url).create_secret(
        Name="word-counter/OPENAI_API_KEY", SecretString="x"
    )
    template = {key: value for key, value in full.items() if key != "path"}
    only(only(of_type(template, "AWS::ECS::TaskDefinition"))["ContainerDefinitions"])["Image"] = "agent:none"
    only(of_type(template, "AWS::ECS::Service"))["DesiredCount"] = 0
    # The emulator knows rules of security groups only inside the group, and not which addresses a VPC has.
    unknown = {"AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"}
    template["Resources"] = {
        name: resource for name, resource in template["Resources"].items() if resource["Type"] not in unknown
    }
    text = json.dumps(template).replace('{"Fn::GetAtt": ["Vpc8378EB38", "CidrBlock"]}', '"10.0.0.0/16"')
    client.create_stack(StackName="word-counter", TemplateBody=text, Capabilities=["CAPABILITY_IAM"])

    def ended() -> str:
        (stack,) = client.describe_stacks(StackName="word-counter")["Stacks"]
        assert not stack["StackStatus"].endswith("IN_PROGRESS")
        return str(stack["StackStatus"])

    status = await until(ended, timeout=60)
    told = [
        (event["LogicalResourceId"], event.get("ResourceStatusReason"))
        for event in client.describe_stack_events(StackName="word-counter")["StackEvents"]
        if "FAILED" in event["ResourceStatus"]
    ]
    assert status == "CREATE_COMPLETE", told
    ecs = session.client("ecs", endpoint_url=cloud.url)
    (cluster,) = (arn for arn in ecs.list_clusters()["clusterArns"] if "word-counter" in arn)
    assert len(ecs.list_services(cluster=cluster)["serviceArns"]) == 1
