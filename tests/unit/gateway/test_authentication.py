import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.gateway import authentication
from services.gateway.authentication import Authentication
from services.gateway.errors import Unauthenticated
from shared.clock import ManualClock
from shared.ids import UserId
from shared.store.connect import StoreError
from shared.store.documents import ApiKey
from shared.store.keys import hash_of

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeKeys:
    def __init__(self) -> None:
        self.keys: dict[str, ApiKey] = {}
        self.looks = 0
        self.at_once = self.most_at_once = 0
        self.uses: list[datetime] = []
        self.notes_uses = True

    def add(self, secret: str, **more: object) -> None:
        key = ApiKey(hash=hash_of(secret), key_id="key_1", user_id=UserId("alice"), created_at=START)
        self.keys[secret] = key.model_copy(update=more)

    async def find(self, secret: str) -> ApiKey | None:
        self.looks += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return self.keys.get(secret)

    async def used(self, key: ApiKey, at: datetime) -> None:
        if not self.notes_uses:
            raise StoreError("away")
        self.uses.append(at)
        for secret, found in self.keys.items():
            if found.hash == key.hash:
                self.keys[secret] = found.model_copy(update={"last_used_at": at})


class Entrance:
    def __init__(self) -> None:
        self.keys = FakeKeys()
        self.clock = ManualClock(START)
        self.seconds = 0.0
        self.authentication = Authentication(self.keys, self.clock.now, monotonic=lambda: self.seconds)

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        self.clock.advance(timedelta(seconds=seconds))

    async def refusal(self, authorization: str | None) -> str:
        with pytest.raises(Unauthenticated) as refused:
            await self.authentication.caller(authorization)
        return str(refused.value)


@pytest.fixture
def entrance() -> Entrance:
    return Entrance()


async def test_a_key_tells_who_calls(entrance: Entrance) -> None:
    entrance.keys.add("good")
    entrance.keys.add("chief", user_id=UserId("root"), role="admin")
    caller = await entrance.authentication.caller("Bearer good")
    assert (caller.user_id, caller.admin) == ("alice", False)
    assert (await entrance.authentication.caller("bearer  chief ")).admin


@pytest.mark.parametrize(
    ("authorization", "words"),
    [
        (None, "ASSAY_API_KEY"),
        ("", "Bearer <key>"),
        ("good", "Bearer <key>"),
        ("Basic good", "Bearer <key>"),
        ("Bearer ", "Bearer <key>"),
        ("Bearer wrong", "not known here"),
        ("Bearer a.b.c", "ASSAY_GATEWAY_OIDC_ISSUER"),
    ],
)
async def test_a_refusal_says_what_to_do(entrance: Entrance, authorization: str | None, words: str) -> None:
    entrance.keys.add("good")
    assert words in await entrance.refusal(authorization)


async def test_a_revoked_key_and_an_expired_one_are_refused(entrance: Entrance) -> None:
    entrance.keys.add("revoked", revoked_at=START)
    entrance.keys.add("short", expires_at=START + timedelta(seconds=2))
    assert "revoked" in await entrance.refusal("Bearer revoked")
    await entrance.authentication.caller("Bearer short")
    entrance.clock.advance(timedelta(seconds=2))
    assert "expired" in await entrance.refusal("Bearer short")


async def test_a_key_is_looked_up_once_in_a_while_and_a_revocation_is_seen_within_five_seconds(
    entrance: Entrance,
) -> None:
    entrance.keys.add("good")
    for _ in range(100):
        await entrance.authentication.caller("Bearer good")
    assert entrance.keys.looks == 1
    entrance.keys.add("good", revoked_at=START)
    entrance.seconds = 2.9
    await entrance.authentication.caller("Bearer good")
    entrance.seconds = 5.0
    await entrance.refusal("Bearer good")


async def test_a_store_that_fails_does_not_prolong_what_is_known(entrance: Entrance) -> None:
    entrance.keys.add("good")
    await entrance.authentication.caller("Bearer good")

    async def broken(secret: str) -> ApiKey | None:
        raise TimeoutError

    entrance.keys.find = broken  # type: ignore[method-assign]
    entrance.seconds = 4.5
    with pytest.raises(TimeoutError):
        await entrance.authentication.caller("Bearer good")
    await entrance.authentication.caller("Bearer good")  # the others go on meanwhile
    entrance.seconds = 5.1
    with pytest.raises(TimeoutError):
        await entrance.authentication.caller("Bearer good")


async def test_wrong_keys_are_remembered_too_and_never_push_out_right_ones(
    entrance: Entrance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "MOST_UNKNOWN", 10)
    entrance.keys.add("good")
    await entrance.authentication.caller("Bearer good")
    for number in range(100):
        await entrance.refusal(f"Bearer wrong{number}")
    await entrance.refusal("Bearer wrong99")
    assert entrance.keys.looks == 101
    await entrance.authentication.caller("Bearer good")
    assert entrance.keys.looks == 101
    assert len(entrance.authentication._unknown) == 10


async def test_a_key_made_after_it_was_tried_works_soon(entrance: Entrance) -> None:
    await entrance.refusal("Bearer late")
    entrance.keys.add("late")
    entrance.seconds = 5.0
    await entrance.authentication.caller("Bearer late")


async def test_a_key_that_was_revoked_here_is_forgotten_at_once(entrance: Entrance) -> None:
    entrance.keys.add("good")
    await entrance.authentication.caller("Bearer good")
    entrance.keys.add("good", revoked_at=START)
    entrance.authentication.forget()
    assert "revoked" in await entrance.refusal("Bearer good")


async def test_a_use_is_noted_once_a_minute_however_many_calls_there_are(entrance: Entrance) -> None:
    entrance.keys.add("good")
    await asyncio.gather(*(entrance.authentication.caller("Bearer good") for _ in range(20)))
    for _ in range(13):
        entrance.pass_time(5)
        await asyncio.gather(*(entrance.authentication.caller("Bearer good") for _ in range(5)))
    assert entrance.keys.uses == [START, START + timedelta(seconds=60)]


async def test_what_another_gateway_has_noted_is_not_noted_again(entrance: Entrance) -> None:
    entrance.keys.add("good", last_used_at=START - timedelta(seconds=30))
    await entrance.authentication.caller("Bearer good")
    assert entrance.keys.uses == []


async def test_a_key_that_is_refused_was_not_used(entrance: Entrance) -> None:
    entrance.keys.add("revoked", revoked_at=START)
    entrance.keys.add("expired", expires_at=START)
    for secret in ("revoked", "expired"):
        await entrance.refusal(f"Bearer {secret}")
    assert entrance.keys.uses == []


async def test_who_has_a_key_comes_in_although_its_use_cannot_be_noted(entrance: Entrance) -> None:
    entrance.keys.add("good")
    entrance.keys.notes_uses = False
    assert (await entrance.authentication.caller("Bearer good")).user_id == "alice"


async def test_a_key_that_was_looked_up_lately_is_remembered_for_a_call_in_need(entrance: Entrance) -> None:
    entrance.keys.add("ask_1", role="admin")
    assert entrance.authentication.remembered("Bearer ask_1") is None  # nothing is known of it yet
    await entrance.authentication.caller("Bearer ask_1")
    entrance.pass_time(authentication.IN_NEED_S)
    caller = entrance.authentication.remembered("Bearer ask_1")
    assert caller
    assert (caller.user_id, caller.admin) == ("alice", True)
    assert entrance.keys.looks == 1
    entrance.pass_time(1)
    assert entrance.authentication.remembered("Bearer ask_1") is None


async def test_a_key_that_is_known_to_have_ended_is_not_remembered(entrance: Entrance) -> None:
    entrance.keys.add("ask_1", expires_at=START + timedelta(seconds=60))
    entrance.keys.add("ask_2")
    for secret in ("ask_1", "ask_2"):
        await entrance.authentication.caller(f"Bearer {secret}")
    entrance.pass_time(60)
    assert entrance.authentication.remembered("Bearer ask_1") is None  # expired
    assert entrance.authentication.remembered("Bearer ask_2")
    entrance.keys.add("ask_2", revoked_at=START)
    assert await entrance.refusal("Bearer ask_2")
    assert entrance.authentication.remembered("Bearer ask_2") is None  # the store has said that it was revoked


async def test_after_a_revocation_through_this_gateway_no_key_is_remembered(entrance: Entrance) -> None:
    entrance.keys.add("ask_1")
    await entrance.authentication.caller("Bearer ask_1")
    entrance.authentication.forget()
    assert entrance.authentication.remembered("Bearer ask_1") is None


async def test_wrong_keys_take_a_part_of_the_store_only_the_second_time_too(entrance: Entrance) -> None:
    for _ in range(2):
        await asyncio.gather(*(entrance.refusal(f"Bearer wrong{number}") for number in range(100)))
        assert entrance.keys.most_at_once == authentication.MET_AT_ONCE
        entrance.keys.most_at_once = 0
        entrance.pass_time(authentication.REMEMBER_S)


async def test_many_calls_with_the_same_wrong_key_are_a_look_or_two(entrance: Entrance) -> None:
    for rounds in (1, 2):
        await asyncio.gather(*(entrance.refusal("Bearer wrong") for _ in range(1000)))
        assert entrance.keys.looks <= rounds * authentication.MET_AT_ONCE
        entrance.pass_time(authentication.REMEMBER_S)


@pytest.mark.parametrize("shown", [None, "", "Bearer", "Bearer ", "ask_1"])
def test_nobody_is_remembered_without_a_key(entrance: Entrance, shown: str | None) -> None:
    assert entrance.authentication.remembered(shown) is None
