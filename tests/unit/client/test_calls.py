from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assay import submission
from assay.client import AsyncAssay
from assay.errors import TestFailed
from assay.specification import Model
from assay.tests import CancelOutcome, TestState
from assay.v1 import test_pb2, test_service_pb2
from tests.unit.client.fake_server import KEY, FakeServer, Story, a_test, failed, passed


async def test_a_submission_carries_all_that_was_said(client: AsyncAssay, fake: FakeServer, tmp_path: Path) -> None:
    agent = tmp_path / "greeter.py"
    agent.write_text("def run(query): return query", encoding="utf-8")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# what it needs\nhttpx==0.28 # pinned\n\nrich>=13\n", encoding="utf-8")

    test = await client.submit(
        agent,
        "hello",
        requirements=requirements,
        entrypoint="agent:run",
        model="ollama:llama3.2:1b",
        timeout=timedelta(minutes=2),
        cpu=0.5,
        memory_mib=512,
        network=False,
        env={"A": "1"},
        labels={"team": "blue"},
        priority=0,
    )

    assert test.id.startswith("tst_")
    [request] = fake.requests
    assert isinstance(request, test_service_pb2.SubmitTestRequest)
    spec = request.spec
    assert spec.agent_code == "def run(query): return query"
    assert spec.agent_name == "greeter"
    assert list(spec.requirements) == ["httpx==0.28", "rich>=13"]
    assert (spec.model.provider, spec.model.model_id) == ("ollama", "llama3.2:1b")
    assert spec.timeout.seconds == 120
    assert spec.HasField("priority")
    assert spec.priority == 0
    assert spec.network == test_pb2.NETWORK_ACCESS_NONE
    assert dict(spec.labels) == {"team": "blue"}
    assert fake.metadata[0]["authorization"] == f"Bearer {KEY}"


async def test_what_is_not_said_is_left_to_the_server(client: AsyncAssay, fake: FakeServer) -> None:
    await client.submit("code", "query")
    [request] = fake.requests
    assert isinstance(request, test_service_pb2.SubmitTestRequest)
    spec = request.spec
    assert not spec.HasField("timeout")
    assert not spec.HasField("priority")
    assert not spec.HasField("model")
    assert not spec.HasField("resources")
    assert spec.network == test_pb2.NETWORK_ACCESS_UNSPECIFIED


async def test_a_test_has_python_values(client: AsyncAssay, fake: FakeServer) -> None:
    message = passed("tst_a", '{"big": 12345678901234567890, "list": [1, null]}')
    message.spec.model.provider = "ollama"
    fake.stories["tst_a"] = Story([message])

    test = await client.get("tst_a")

    assert test.state is TestState.COMPLETED
    assert test.passed
    assert test.response == {"big": 12345678901234567890, "list": [1, None]}
    assert test.times.submitted == datetime.fromtimestamp(1_700_000_000, UTC)
    assert test.times.run_started is None
    assert test.result is not None
    assert test.result.metrics.run == timedelta(milliseconds=380)
    assert test.result.metrics.build is None
    assert test.result.usage is None
    assert test.spec.model == Model("ollama")
    said = test.to_dict()
    assert said["result"]["response"]["big"] == 12345678901234567890
    assert said["result"]["metrics"]["run_s"] == 0.38
    assert said["result"]["metrics"]["build_s"] is None
    assert said["times"]["submitted"] == "2023-11-14T22:13:20.000000Z"


async def test_a_failed_test_is_a_value_until_one_asks_for_the_error(client: AsyncAssay, fake: FakeServer) -> None:
    fake.next_story = lambda test_id: Story([a_test(test_id, "QUEUED"), failed(test_id)])
    test = await client.run("code", "query")
    assert not test.passed
    with pytest.raises(TestFailed, match="AGENT_EXCEPTION: ValueError: boom") as raised:
        test.raise_for_failure()
    assert raised.value.test is test


async def test_a_state_from_the_future_is_unknown_and_not_an_error(client: AsyncAssay, fake: FakeServer) -> None:
    strange = a_test("tst_a", "QUEUED")
    strange.state = 99  # type: ignore[assignment]
    fake.stories["tst_a"] = Story([strange])
    assert (await client.get("tst_a")).state is TestState.UNKNOWN


async def test_a_list_turns_its_pages_by_itself(client: AsyncAssay, fake: FakeServer) -> None:
    fake.listed = [a_test(f"tst_{number}", "QUEUED") for number in range(7)]
    assert [test.id async for test in client.list(page_size=3)] == [f"tst_{number}" for number in range(7)]
    assert [len(page.tests) async for page in client.list(page_size=3).pages()] == [3, 3, 1]


async def test_a_limited_list_fetches_no_page_too_many(client: AsyncAssay, fake: FakeServer) -> None:
    fake.listed = [a_test(f"tst_{number}", "QUEUED") for number in range(7)]
    assert len([test async for test in client.list(limit=3, page_size=3)]) == 3
    assert len(fake.requests) == 1
    assert [test async for test in client.list(limit=0)] == []


async def test_a_list_may_begin_where_another_ended(client: AsyncAssay, fake: FakeServer) -> None:
    fake.listed = [a_test(f"tst_{number}", "QUEUED") for number in range(4)]
    assert [test.id async for test in client.list(page_size=3, page_token="3")] == ["tst_3"]


async def test_a_filter_says_what_it_was_told(client: AsyncAssay, fake: FakeServer) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    async for _ in client.list(states=["failed", TestState.RUNNING], since=begin, labels={"a": ""}, order="run_time"):
        pass
    [request] = fake.requests
    assert isinstance(request, test_service_pb2.ListTestsRequest)
    assert list(request.filter.states) == [test_pb2.TEST_STATE_FAILED, test_pb2.TEST_STATE_RUNNING]
    assert request.filter.submitted_from.ToDatetime(UTC) == begin
    assert dict(request.filter.labels) == {"a": ""}
    assert request.order == test_service_pb2.TEST_ORDER_RUN_TIME


async def test_a_state_that_there_is_not_is_refused_with_those_there_are(client: AsyncAssay) -> None:
    with pytest.raises(ValueError, match="'lost' is none of SUBMITTED, QUEUED, BUILDING"):
        async for _ in client.list(states=["lost"]):
            pass


async def test_cancel_says_what_it_met(client: AsyncAssay, fake: FakeServer) -> None:
    fake.stories["tst_a"] = Story([a_test("tst_a", "RUNNING")])
    cancelled = await client.cancel("tst_a", "enough")
    assert cancelled.outcome is CancelOutcome.STOPPING
    [request] = fake.requests
    assert isinstance(request, test_service_pb2.CancelTestRequest)
    assert request.reason == "enough"


async def test_the_queue_is_figures(client: AsyncAssay, fake: FakeServer) -> None:
    fake.status.average_wait.FromMilliseconds(1500)
    status = await client.queue_status()
    assert (status.pending, status.running, status.capacity) == (3, 10, 10)
    assert status.average_wait == timedelta(seconds=1.5)
    assert status.oldest_pending_age is None
    assert status.to_dict()["average_wait_s"] == 1.5


@pytest.mark.parametrize(
    ("path", "name"),
    [("greeter.py", "greeter"), ("travel/agent.py", "travel"), ("travel/main.py", "travel"), ("/agent.py", "agent")],
)
def test_an_agent_is_called_as_its_file_or_as_the_folder_of_a_file_that_is_called_like_all_others(
    path: str, name: str
) -> None:
    assert submission.agent_name_of(Path(path)) == name


async def test_short_and_empty_pages_do_not_end_a_list(client: AsyncAssay, fake: FakeServer) -> None:
    fake.listed = [a_test(f"tst_{number}", "QUEUED") for number in range(6)]
    fake.page_sizes = [1, 0, 2]
    pages = [page async for page in client.list(limit=5).pages()]
    assert [[test.id for test in page.tests] for page in pages] == [
        ["tst_0"],
        [],
        ["tst_1", "tst_2"],
        ["tst_3", "tst_4"],
    ]
    assert pages[-1].next_page_token == "5"  # goes on where the limit cut it
    asked = [sent.page_size for sent in fake.requests if isinstance(sent, test_service_pb2.ListTestsRequest)]
    assert asked == [5, 4, 4, 2]


async def test_totals_come_when_asked_for(client: AsyncAssay, fake: FakeServer) -> None:
    fake.listed = [a_test("tst_0", "QUEUED"), a_test("tst_1", "FAILED"), a_test("tst_2", "FAILED")]
    [page] = [page async for page in client.list(totals=True).pages()]
    assert page.totals == {TestState.QUEUED: 1, TestState.FAILED: 2}
    [page] = [page async for page in client.list().pages()]
    assert page.totals == {}


async def test_archiving_says_how_many_and_which_not(client: AsyncAssay, fake: FakeServer) -> None:
    fake.archived = test_service_pb2.ArchiveTestsResponse(archived_count=1, skipped_test_ids=["tst_b"])
    archived = await client.archive(["tst_a", "tst_b"])
    assert (archived.count, archived.skipped) == (1, ("tst_b",))
    await client.archive(older_than=timedelta(days=3), states=["failed"], agent_id="greeter", validate_only=True)
    first, second = [sent for sent in fake.requests if isinstance(sent, test_service_pb2.ArchiveTestsRequest)]
    assert list(first.test_ids) == ["tst_a", "tst_b"]
    assert not first.HasField("older_than")
    assert not first.HasField("filter")  # which servers refuse beside ids
    assert (second.older_than.seconds, second.validate_only) == (3 * 86_400, True)
    assert second.filter == test_service_pb2.TestFilter(states=[test_pb2.TEST_STATE_FAILED], agent_id="greeter")


async def test_an_agents_figures_have_units(client: AsyncAssay, fake: FakeServer) -> None:
    stats = fake.stats.stats
    stats.agent_id, stats.ended_count, stats.success_rate = "greeter", 4, 0.75
    stats.run_seconds.count, stats.run_seconds.mean = 3, 1.5
    stats.peak_memory_bytes.count, stats.peak_memory_bytes.mean = 3, 1024.0
    found = await client.agent_stats("greeter")
    assert (found.ended, found.success_rate, found.build, found.comparison) == (4, 0.75, None, None)
    assert found.run is not None
    assert found.run.mean == timedelta(seconds=1.5)
    assert found.to_dict()["run"]["mean_s"] == 1.5
    fake.stats.comparison.test_id = "tst_a"
    fake.stats.comparison.run_ratio = 1.2
    found = await client.agent_stats(test_id="tst_a")
    assert found.comparison is not None
    assert (found.comparison.run_ratio, found.comparison.build_ratio) == (1.2, None)
    fake.stats.Clear()
    assert (await client.agent_stats("nobody")).success_rate is None
