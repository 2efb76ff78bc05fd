"""What users do and see on ECS: all services, real containers, output by CloudWatch Logs, objects in S3."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from assay import AsyncAssay, TestState
from tests.support.cloud import Cloud
from tests.support.outcomes import LINES, lived_once, most_at_once, passed_with_all_its_lines, spoken, talker
from tests.support.tests_under_way import SLEEPER, WITHIN_S, asleep, ended, texts
from tests.support.until import until

pytestmark = pytest.mark.slow


async def test_an_agent_answers_with_all_its_lines_and_leaves_nothing_in_the_bucket(
    client: AsyncAssay, cloud: Cloud
) -> None:
    test = await ended(client, (await client.submit(talker(), "hello")).id)
    passed_with_all_its_lines(test)
    assert await texts(client, test.id) == spoken("hello")
    (task,) = cloud.tasks(test.id)
    assert task["launchType"] == "FARGATE" or task["capacityProviderName"].startswith("FARGATE")
    await until(lambda: not cloud.objects(test.id), timeout=20, what="context and result are deleted")


async def test_a_project_runs_on_ecs_with_its_files_in_and_out(
    client: AsyncAssay, cloud: Cloud, tmp_path: Path
) -> None:
    (tmp_path / "src" / "bot").mkdir(parents=True)
    (tmp_path / "src" / "bot" / "__init__.py").write_text("")
    (tmp_path / "src" / "bot" / "main.py").write_text(
        "from pathlib import Path\nfrom .tools import shout\n"
        "def run(query):\n"
        "    Path('/work/out/copy.txt').write_bytes(Path('/work/in/data.txt').read_bytes())\n"
        "    return shout(query) + (Path(__file__).parent / 'prompt.txt').read_text()\n"
    )
    (tmp_path / "src" / "bot" / "tools.py").write_text("def shout(text):\n    return text.upper()\n")
    (tmp_path / "src" / "bot" / "prompt.txt").write_text("!")
    test = await ended(client, (await client.submit(tmp_path, "hello", inputs={"data.txt": b"x" * 300_000})).id)
    assert (test.state, test.response) == (TestState.COMPLETED, "HELLO!"), test.failure
    assert await client.read_file(test.id, "copy.txt") == b"x" * 300_000
    await until(lambda: not cloud.objects(test.id), timeout=20, what="context and result are deleted")


async def test_lines_arrive_while_the_agent_runs(client: AsyncAssay) -> None:
    test = await client.submit(
        "import time\ndef run(q):\n    print('one', flush=True)\n    time.sleep(15)\n    print('two')", ""
    )
    arrived = [(line.text, (await client.get(test.id)).ended) async for line in client.logs(test.id, follow=True)]
    assert arrived[0] == ("one", False)
    assert [text for text, _ in arrived] == ["one", "two"]
    await ended(client, test.id)


async def test_requirements_are_installed_and_their_lines_are_in_the_log(client: AsyncAssay) -> None:
    code = "import six\ndef run(q): return six.__version__"
    test = await ended(client, (await client.submit(code, "", requirements=["six==1.17.0"])).id)
    assert (test.state, test.response) == (TestState.COMPLETED, "1.17.0"), test.failure
    assert test.logs.complete
    assert any("six==1.17.0" in text for text in await texts(client, test.id))


async def test_the_time_limit_ends_the_agent_and_the_container(client: AsyncAssay, cloud: Cloud) -> None:
    test = await ended(client, (await client.submit(SLEEPER, "", timeout=2)).id)
    assert (test.state, test.failure and test.failure.code) == (TestState.TIMED_OUT, "TIMED_OUT")
    assert test.logs.complete
    await until(lambda: not cloud.containers(test.id), timeout=20)


async def test_cancel_stops_the_container_and_frees_the_slot(client: AsyncAssay, cloud: Cloud) -> None:
    test = await asleep(client)
    assert len(cloud.containers(test.id)) == 1
    begun = time.monotonic()
    await client.cancel(test.id, "not wanted any more")
    cancelled = await ended(client, test.id)
    assert (cancelled.state, cancelled.failure and cancelled.failure.code) == (TestState.FAILED, "CANCELLED")
    assert time.monotonic() - begun < 60
    lived_once(cancelled)
    assert [task["lastStatus"] for task in cloud.tasks(test.id)] == ["STOPPED"]
    await until(lambda: not cloud.containers(test.id), timeout=20)

    async def idle() -> bool:
        return (await client.queue_status()).running == 0

    await until(idle, timeout=30)


async def test_a_secret_goes_from_its_store_to_the_agent_and_nowhere_else(client: AsyncAssay, cloud: Cloud) -> None:
    value = "0f9c-the-value-of-a-secret"
    cloud.secret("assay/api-key", value)
    code = (
        f"import os\ndef run(q):\n    print('key is there')\n    return os.environ['API_KEY'] == {value[::-1]!r}[::-1]"
    )
    test = await ended(client, (await client.submit(code, "", secret_refs={"API_KEY": "assay/api-key"})).id)
    assert (test.state, test.response) == (TestState.COMPLETED, True), test.failure
    seen = json.dumps(cloud.tasks(test.id), default=str) + json.dumps(cloud.everything_logged())
    assert "key is there" in seen
    assert value not in seen


async def test_a_secret_that_does_not_exist_is_told_at_once(client: AsyncAssay, cloud: Cloud) -> None:
    test = await client.submit("def run(q): return 1", "", secret_refs={"API_KEY": "assay/no-such-secret"})
    failed = await client.wait(test.id, timeout=WITHIN_S)
    assert (failed.state, failed.failure and failed.failure.code) == (TestState.FAILED, "CREDENTIALS_INVALID")
    assert failed.failure is not None
    assert "assay/no-such-secret" in failed.failure.message
    assert cloud.tasks(test.id) == []


async def test_an_agent_sees_no_link_of_ours_and_no_credential_but_its_role(client: AsyncAssay) -> None:
    code = "import os\ndef run(q): return {name: os.environ[name] for name in os.environ if name != 'PATH'}"
    test = await ended(client, (await client.submit(code, "")).id)
    assert isinstance(test.response, dict), test.failure
    allowed = {
        "ASSAY_INPUT_DIR",
        "ASSAY_OUTPUT_DIR",
        "HOME",
        "LANG",
        "SSL_CERT_FILE",
        "MODEL_PROVIDER",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
    }
    assert test.response.keys() <= allowed | {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "LC_CTYPE"}, test.response


MANY = 100


async def test_a_hundred_at_once_each_run_once_with_every_line(client: AsyncAssay, cloud: Cloud) -> None:
    submitted = await asyncio.gather(*(client.submit(talker(), f"number {number}") for number in range(MANY)))
    tests = await asyncio.gather(*(ended(client, test.id) for test in submitted))
    for test in tests:
        passed_with_all_its_lines(test)
        assert test.logs.lines == LINES
    assert 1 < most_at_once(tests) <= 40
    started = [task["startedBy"] for task in cloud.tasks()]
    for test in tests:
        assert len([who for who in started if test.id in who]) == 1
    for test in tests[::10]:
        assert await texts(client, test.id) == spoken(test.spec.query or "")
