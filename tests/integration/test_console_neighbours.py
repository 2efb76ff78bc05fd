"""Two users on one console at once, and one after the other in one browser: nothing of one ever reaches the other."""

import asyncio
import json
from typing import Any

from tests.support.console import Browser, Console
from tests.support.gateway import Client, Stage, line
from tests.support.tabs import Tab, query, tab
from tests.support.until import until

USERS = ("alice", "bob")


def feeds(own: str, foreign: str) -> list[dict[str, Any]]:
    """All that a page follows, the test of the other among them, with the same ids for both."""
    return [
        {"id": "l", "kind": "log", "testId": own},
        {"id": "t", "kind": "test", "testId": own},
        {"id": "c", "kind": "tests", "filter": {}},
        {"id": "q", "kind": "queue"},
        {"id": "lf", "kind": "log", "testId": foreign},
        {"id": "tf", "kind": "test", "testId": foreign},
    ]


async def reading(seen: Tab) -> None:
    while await seen.next():
        pass


def heard(seen: Tab) -> str:
    """All that came, but the echo of what was asked for."""
    told = [event.data for event in seen.events if event.feed not in {"lf", "tf"}]
    assert all(event.kind == "error" for event in seen.events if event.feed in {"lf", "tf"})
    return json.dumps(told)


async def running_test(stage: Stage, client: Client) -> str:
    test = await client.submit()
    await stage.others.started(test.id)
    return str(test.id)


async def test_feeds_of_two_users_at_once_never_mix(stage: Stage, front: Console) -> None:
    clients = {user: await stage.client(user) for user in USERS}
    tests = {user: await running_test(stage, clients[user]) for user in USERS}
    other = {"alice": "bob", "bob": "alice"}
    browsers: dict[str, Browser] = {}
    for user in USERS:
        browsers[user] = await front.browser()
        await browsers[user].sign_in(clients[user].key)
    asked = {user: feeds(tests[user], tests[other[user]]) for user in USERS}
    async with tab(browsers["alice"], *asked["alice"]) as one, tab(browsers["bob"], *asked["bob"]) as two:
        tabs = {"alice": one, "bob": two}
        readers = [asyncio.create_task(reading(seen)) for seen in tabs.values()]
        await until(lambda: all(stage.listening(tests[user]) >= 1 for user in USERS))
        for seq in range(1, 41):
            await asyncio.gather(
                *(stage.others.wrote(tests[user], [line(seq, f"secret of {user} {seq}")]) for user in USERS),
                *(stage.others.says(tests[user], f"open of {user}", after=seq) for user in USERS),
            )
        later = {user: await running_test(stage, clients[user]) for user in USERS}
        await until(lambda: all(seen.seqs()[-1:] == [40] for seen in tabs.values()))
        await until(lambda: all(later[user] in heard(tabs[user]) for user in USERS))
        for task in readers:
            task.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    for user, seen in tabs.items():
        assert seen.seqs() == list(range(1, 41))
        foreign = other[user]
        for word in (f"of {foreign}", tests[foreign], later[foreign], f'"{foreign}"'):
            assert word not in heard(seen), (user, word)
        assert [event.data["code"] for event in seen.events if event.feed in {"lf", "tf"}] == ["NOT_FOUND"] * 2


async def test_whoever_signs_in_next_in_the_same_browser_gets_nothing_of_the_one_before(
    stage: Stage, front: Console
) -> None:
    alice, bob = await stage.client("alice"), await stage.client("bob")
    hers, his = await running_test(stage, alice), await running_test(stage, bob)
    browser = await front.signed_in(alice.key)
    async with tab(browser, *feeds(hers, his)) as before:
        await stage.others.wrote(hers, [line(1, "secret of alice")])
        await before.to_seq(1)
    assert (await browser.delete("/session")).status_code == 204
    refused = await browser.get("/events", params=query(*feeds(hers, his)))
    assert (refused.status_code, "secret" in refused.text) == (401, False)
    await browser.sign_in(bob.key)
    # The page that alice left open comes back with her feeds and her position.
    async with tab(browser, *feeds(hers, his), last=before.last_id) as stale:
        await until(lambda: stage.listening(hers) == 0)
        await stage.others.wrote(hers, [line(2, "secret of alice")])
        await stage.others.wrote(his, [line(1, "word of bob")])
        # In whatever order they come.
        await stale.to(lambda _: bool(stale.of("lf", "log") and stale.of("l", "error") and stale.of("t", "error")))
        errors = {event.feed: event.data["code"] for event in stale.events if event.kind == "error"}
    assert (errors["l"], errors["t"]) == ("NOT_FOUND", "NOT_FOUND")
    said = json.dumps([event.data for event in stale.events if event.kind != "error"])  # these name what was asked for
    assert ("secret" in said, hers in said, '"alice"' in said) == (False, False, False)
    # And one that says for whom it asks is told that somebody else is here.
    answer = await browser.ask("TestService/ListTests", headers={"x-assay-user": "alice"})
    assert (answer.status_code, answer.json()["reason"]) == (401, "USER_CHANGED")
