"""AWS as far as the ecs runtime needs it, behind boto3's own clients: what they send is checked by botocore, and
answered here instead of by the network. Tasks do what the agent's code, a JSON script, says.

Has what an emulator lacks: client tokens, limits, throttling, answers that get lost, tasks that are MISSING at first or
never start, Spot. Every call is written down with its time.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError

from shared.aws.connect import Aws
from shared.clock import Clock
from shared.domain.files import join

ACCOUNT = "arn:aws:ecs:eu-central-1:123456789012"
SECRETS = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:"
Answer = Mapping[str, Any]


class Refused(Exception):
    """AWS answers with an error."""

    def __init__(self, code: str, message: str, status: int = 400, **more: object) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.more = code, message, status, more


THROTTLED = Refused("ThrottlingException", "Rate exceeded")
DISGUISED = Refused("InvalidParameterException", "Unable to assume role and validate the request: Rate exceeded.")


@dataclass
class Fault:
    """What goes wrong with some calls."""

    operation: str
    error: Refused | None
    times: int
    answer: Answer | None = None
    answer_lost: bool = False
    """It is done, and nobody hears of it."""


@dataclass
class Script:
    """What a task does. Times in seconds from its launch."""

    run_for: float = 0.0
    lines: int = 1
    fails: bool = False
    leaves: dict[str, str] = field(default_factory=dict)
    """Files in its output folder, path to text."""
    ignores_stop: bool = False
    starts_after: float = 0.05
    stopped_after: float = 0.05
    """Between the exit of the container and STOPPED: ECS takes the network interface down."""
    stop_timeout: float = 1.0
    missing_for: float = 0.0
    """MISSING in the answers for so long after RunTask: eventual consistency."""
    forgotten_after: float = float("inf")
    no_result: bool = False
    result_only: bool = False
    """The harness hands its result in, and the container never ends."""
    fails_to_start: str = ""
    stop_code: str = "EssentialContainerExited"
    stopped_reason: str = "Essential container in task exited"
    container_reason: str = ""
    exit_code: int | None = None


@dataclass
class FakeTask:
    arn: str
    order: dict[str, Any]
    launched: float
    script: Script
    context: dict[str, Any]
    result_key: str
    stop_asked: float | None = None
    stop_said: str = ""
    result_sent: bool = False

    @property
    def owner(self) -> str:
        return str(self.order["startedBy"])

    @property
    def ends(self) -> float:
        """When the container exits, or would if it had been started."""
        script = self.script
        if script.fails_to_start:
            return self.launched + script.starts_after
        end = float("inf") if script.result_only else self.launched + script.starts_after + script.run_for
        if self.stop_asked is None:
            return end
        return min(end, self.stop_asked + (script.stop_timeout if script.ignores_stop else 0.0))

    @property
    def stopped_by_us(self) -> bool:
        return self.stop_asked is not None and self.ends >= self.stop_asked

    def describe(self, now: float) -> dict[str, Any]:
        script = self.script
        starts = self.launched + script.starts_after
        over = now >= self.ends
        status = "PENDING" if now < starts else "RUNNING"
        if over:
            status = "STOPPED" if now >= self.ends + script.stopped_after else "DEPROVISIONING"
        began = not script.fails_to_start and self.ends >= starts
        container: dict[str, Any] = {"name": "agent", "lastStatus": "STOPPED" if over else status}
        task: dict[str, Any] = {
            "taskArn": self.arn,
            "clusterArn": f"{ACCOUNT}:cluster/tests",
            "lastStatus": status,
            "desiredStatus": "STOPPED" if over or self.stop_asked is not None else "RUNNING",
            "startedBy": self.owner,
            "group": self.order["group"],
            "createdAt": self.launched,
            "version": 1 + (now >= starts) + (self.stop_asked is not None) + over + (status == "STOPPED"),
            "containers": [container] if began or not over else [],
        }
        if began and now >= starts:
            task["startedAt"] = starts
        if over:
            if began:
                container["exitCode"] = self._exit_code()
            if script.container_reason:
                container["reason"] = script.container_reason
            task["stopCode"] = "UserInitiated" if self.stopped_by_us else script.stop_code
            task["stoppedReason"] = self.stop_said if self.stopped_by_us else script.stopped_reason
            if script.fails_to_start:
                task |= {"stopCode": "TaskFailedToStart", "stoppedReason": script.fails_to_start}
        return task

    def _exit_code(self) -> int:
        if self.script.exit_code is not None:
            return self.script.exit_code
        if self.stopped_by_us:
            return 137 if self.script.ignores_stop else 143
        return 1 if self.script.fails else 0

    def result(self) -> bytes | None:
        """What the harness hands in when the container exits."""
        script = self.script
        if script.no_result or script.fails_to_start or (self.stopped_by_us and script.ignores_stop):
            return None
        code = "CANCELLED" if self.stopped_by_us else "AGENT_EXCEPTION" if script.fails else None
        fields = {name: self.context[name] for name in ("test_id", "attempt", "nonce")}
        outcome = {"outcome": "error" if code else "success", "code": code, "response": None if code else "done"}
        left = join({path: text.encode() for path, text in script.leaves.items()})
        outputs = [file._asdict() for file in left.files]
        return json.dumps({**fields, **outcome, "lines": script.lines, "outputs": outputs}).encode() + b"\n" + left.data


@dataclass
class ScriptedCloud:
    """An account with one cluster (`tests`) and one bucket. Time is the clock's."""

    clock: Clock
    objects: dict[str, bytes] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    registrations: list[str] = field(default_factory=list)
    tasks: dict[str, FakeTask] = field(default_factory=dict)
    log_groups: set[str] = field(default_factory=set)
    messages: list[dict[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    calls: list[tuple[float, str]] = field(default_factory=list)
    bucket_region: str = "eu-central-1"
    wrong: list[str] = field(default_factory=list)
    """What AWS would have complained about."""
    _tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    SERVICES: ClassVar = ("ecs", "s3", "secretsmanager", "logs", "sqs")

    def attach(self, aws: Aws) -> None:
        """From now on the clients of `aws` talk to this."""
        for client in (aws.ecs, aws.s3, aws.secrets, aws.logs, aws.sqs):
            client.meta.events.register("before-send", self._answer)  # type: ignore[arg-type]  # its answer is taken

    def fail(self, operation: str, error: Refused | None, times: int = 1, *, answer_lost: bool = False) -> None:
        self.faults.append(Fault(operation, error, times, answer_lost=answer_lost))

    def answer_once(self, operation: str, answer: Answer) -> None:
        self.faults.append(Fault(operation, None, 1, answer))

    def count(self, since: float = 0.0) -> Counter[str]:
        """Calls by operation from a time on."""
        return Counter(operation for at, operation in self.calls if at >= since)

    def of(self, test_id: str) -> list[FakeTask]:
        """All tasks that this test ever had."""
        return [task for task in self.tasks.values() if f"/{test_id}/" in task.owner]

    def running(self) -> list[FakeTask]:
        return [task for task in self.tasks.values() if self._now() < task.ends]

    # -- how a call gets here

    def _now(self) -> float:
        return self.clock.now().timestamp()

    def _answer(self, request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        with self._lock:
            return self._answer_one(request, event_name)

    def _answer_one(self, request: AWSPreparedRequest, event_name: str) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        self.calls.append((self._now(), operation))
        self._settle()
        fault = next((one for one in self.faults if one.operation == operation and one.times > 0), None)
        if fault is not None:
            fault.times -= 1
        try:
            if fault is not None and fault.error is not None:
                raise fault.error
            if fault is not None and fault.answer is not None:
                return _response(request, 200, json.dumps(fault.answer).encode())
            response = self._carry_out(operation, request)
        except Refused as refused:
            body = {"__type": refused.code, "message": refused.message, **refused.more}
            return _response(request, refused.status, json.dumps(body).encode())
        if fault is not None and fault.answer_lost:
            raise ReadTimeoutError(endpoint_url=request.url)
        return response

    def _carry_out(self, operation: str, request: AWSPreparedRequest) -> AWSResponse:
        own: Callable[[AWSPreparedRequest], AWSResponse] | None = getattr(self, f"_s3_{operation}", None)
        if own is not None:
            return own(request)
        parameters = json.loads(_body(request) or b"{}")
        answer: Answer = getattr(self, f"_do_{operation}")(parameters)
        return _response(request, 200, json.dumps(answer).encode())

    def _settle(self) -> None:
        """What the tasks have done by now."""
        now = self._now()
        for task in self.tasks.values():
            over = task.script.result_only and now >= task.launched + task.script.starts_after + task.script.run_for
            if (over or now >= task.ends) and not task.result_sent:
                task.result_sent = True
                result = task.result()
                if result is not None:
                    self.objects[task.result_key] = result

    # -- ECS

    def _do_DescribeClusters(self, asked: Answer) -> Answer:  # noqa: N802 - AWS's names
        found = [{"clusterName": name, "status": "ACTIVE"} for name in asked["clusters"] if name == "tests"]
        return {"clusters": found, "failures": []}

    def _do_DescribeTaskDefinition(self, asked: Answer) -> Answer:  # noqa: N802
        if asked["taskDefinition"] not in self.definitions:
            raise Refused("ClientException", "Unable to describe task definition.")
        return {"taskDefinition": {"family": asked["taskDefinition"], "status": "ACTIVE"}}

    def _do_RegisterTaskDefinition(self, asked: Answer) -> Answer:  # noqa: N802
        self.definitions[asked["family"]] = dict(asked)
        self.registrations.append(asked["family"])
        return {"taskDefinition": {"family": asked["family"]}}

    def _do_RunTask(self, asked: Answer) -> Answer:  # noqa: N802
        self._check_cluster(asked)
        if asked["taskDefinition"] not in self.definitions:
            raise Refused("ClientException", "TaskDefinition not found.")
        if len(json.dumps(asked["overrides"], separators=(",", ":"))) > 8192:
            self.wrong.append("overrides are too long")
        token, order = asked["clientToken"], json.dumps(asked, sort_keys=True)
        if len(token) > 64 or len(asked["startedBy"]) > 128:
            self.wrong.append("token or startedBy is too long")
        if token in self._tokens:
            order_before, arn = self._tokens[token]
            if order_before != order:
                raise Refused("ConflictException", "clientToken is already in use.", resourceIds=[arn])
            return {"tasks": [self.tasks[arn].describe(self._now())], "failures": []}
        task = self.start(dict(asked))
        self._tokens[token] = (order, task.arn)
        return {"tasks": [task.describe(self._now())], "failures": []}

    def start(self, order: dict[str, Any]) -> FakeTask:
        """Starts a task, as RunTask does."""
        environment = {one["name"]: one["value"] for one in order["overrides"]["containerOverrides"][0]["environment"]}
        body = self.objects[self._key(environment["ASSAY_CONTEXT_URL"])]
        line, _, contents = body.partition(b"\n")
        context = json.loads(line)
        listed = [*context.get("project", {}).get("files", []), *context.get("inputs", {}).get("files", [])]
        if len(contents) != sum(file["size"] for file in listed):
            self.wrong.append("the content behind the context is not that of its files")
        script = Script(**json.loads(context["files"]["agent.py"] or "{}"))
        arn = f"{ACCOUNT}:task/tests/{next(self._numbers):032x}"
        result_key = self._key(environment["ASSAY_RESULT_URL"])
        task = self.tasks[arn] = FakeTask(arn, order, self._now(), script, context, result_key)
        return task

    def _do_DescribeTasks(self, asked: Answer) -> Answer:  # noqa: N802
        self._check_cluster(asked)
        if not 1 <= len(asked["tasks"]) <= 100:
            raise Refused("InvalidParameterException", "Tasks can not be empty, or more than 100.")
        now = self._now()
        tasks, failures = [], []
        for arn in asked["tasks"]:
            task = self.tasks.get(arn)
            age = now - task.launched if task else 0.0
            if task is None or age < task.script.missing_for or age > task.script.forgotten_after:
                failures.append({"arn": arn, "reason": "MISSING"})
            else:
                tasks.append(task.describe(now))
        return {"tasks": tasks, "failures": failures}

    def _do_ListTasks(self, asked: Answer) -> Answer:  # noqa: N802
        self._check_cluster(asked)
        if "startedBy" in asked and set(asked) - {"cluster", "startedBy", "nextToken", "maxResults"}:
            raise Refused("InvalidParameterException", "startedBy must be the only filter.")
        desired = asked.get("desiredStatus", "RUNNING")
        now = self._now()
        found = [
            task.arn
            for task in self.tasks.values()
            if now - task.launched >= task.script.missing_for
            and task.describe(now)["desiredStatus"] == desired
            and asked.get("startedBy", task.owner) == task.owner
            and asked.get("family", task.order["taskDefinition"]) == task.order["taskDefinition"]
        ]
        start, most = int(asked.get("nextToken") or 0), asked.get("maxResults", 100)
        page: dict[str, Any] = {"taskArns": found[start : start + most]}
        if start + most < len(found):
            page["nextToken"] = str(start + most)
        return page

    def _do_StopTask(self, asked: Answer) -> Answer:  # noqa: N802
        self._check_cluster(asked)
        task = self.tasks.get(asked["task"])
        if task is None:
            raise Refused("InvalidParameterException", "The referenced task was not found.")
        if task.stop_asked is None and self._now() < task.ends:
            task.stop_asked, task.stop_said = self._now(), asked.get("reason", "")
        return {"task": task.describe(self._now())}

    def _check_cluster(self, asked: Answer) -> None:
        if asked["cluster"] != "tests":
            raise Refused("ClusterNotFoundException", "Cluster not found.")

    # -- the others

    def _do_DescribeSecret(self, asked: Answer) -> Answer:  # noqa: N802
        name = asked["SecretId"]
        if name not in self.secrets:
            raise Refused("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return {"ARN": f"{SECRETS}{name}-AbCdEf", "Name": name}

    def _do_DescribeLogGroups(self, asked: Answer) -> Answer:  # noqa: N802
        prefix = asked["logGroupNamePrefix"]
        return {"logGroups": [{"logGroupName": name} for name in self.log_groups if name.startswith(prefix)]}

    def _do_CreateLogGroup(self, asked: Answer) -> Answer:  # noqa: N802
        self.log_groups.add(asked["logGroupName"])
        return {}

    def _do_PutRetentionPolicy(self, asked: Answer) -> Answer:  # noqa: N802
        return {}

    def _do_ReceiveMessage(self, asked: Answer) -> Answer:  # noqa: N802
        found, self.messages[:] = self.messages[:10], self.messages[10:]
        return {"Messages": found} if found else {}

    def _do_DeleteMessageBatch(self, asked: Answer) -> Answer:  # noqa: N802
        return {"Successful": [{"Id": one["Id"]} for one in asked["Entries"]], "Failed": []}

    def _s3_HeadBucket(self, request: AWSPreparedRequest) -> AWSResponse:  # noqa: N802
        answer = _response(request, 200, b"")
        answer.headers["x-amz-bucket-region"] = self.bucket_region
        return answer

    def _s3_GetBucketLifecycleConfiguration(self, request: AWSPreparedRequest) -> AWSResponse:  # noqa: N802
        return _xml_error(request, 404, "NoSuchLifecycleConfiguration")

    def _s3_PutBucketLifecycleConfiguration(self, request: AWSPreparedRequest) -> AWSResponse:  # noqa: N802
        return _response(request, 200, b"")

    def _s3_PutObject(self, request: AWSPreparedRequest) -> AWSResponse:  # noqa: N802
        self.objects[self._key(request.url)] = _body(request)
        return _response(request, 200, b"")

    def _s3_GetObject(self, request: AWSPreparedRequest) -> AWSResponse:  # noqa: N802
        body = self.objects.get(self._key(request.url))
        return _xml_error(request, 404, "NoSuchKey") if body is None else _response(request, 200, body)

    def _s3_DeleteObjects(self, request: AWSPreparedRequest) -> AWSResponse:  # noqa: N802
        for part in _body(request).decode().split("<Key>")[1:]:
            self.objects.pop(part.partition("</Key>")[0], None)
        return _response(request, 200, b'<?xml version="1.0"?><DeleteResult></DeleteResult>')

    def _key(self, url: str) -> str:
        return unquote(urlsplit(url).path.lstrip("/"))


def _body(request: AWSPreparedRequest) -> bytes:
    body: Any = request.body
    if body is None or isinstance(body, str):
        return (body or "").encode()
    whole = bytes(body) if isinstance(body, bytes | bytearray) else bytes(body.read())
    if "aws-chunked" not in str(request.headers.get("Content-Encoding", "")):
        return whole
    parts = []  # as S3 takes it: a size, so many bytes, and again, to a size of 0 and a checksum
    while (size := int(whole.partition(b"\r\n")[0].partition(b";")[0], 16)) > 0:
        whole = whole.partition(b"\r\n")[2]
        parts.append(whole[:size])
        whole = whole[size + 2 :]
    return b"".join(parts)


class _Raw(BytesIO):
    def stream(self, *_: object, **__: object) -> Any:
        yield self.read()


def _response(request: AWSPreparedRequest, status: int, body: bytes) -> AWSResponse:
    headers: Any = {"Content-Length": str(len(body)), "x-amzn-RequestId": "scripted"}
    return AWSResponse(request.url, status, headers, _Raw(body))


def _xml_error(request: AWSPreparedRequest, status: int, code: str) -> AWSResponse:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return _response(request, status, body.encode())
