import time
import uuid

from hypothesis import given
from hypothesis import strategies as st

from shared.ids import TEST_ID, USER_ID, TestId, fact_id, launch_token, new_key_id, new_test_id

WORDS = st.text(st.characters(exclude_characters="\x1f", exclude_categories=["Cs"]))
PARTS = st.lists(st.one_of(WORDS, st.integers()), min_size=1, max_size=4)


def test_a_test_id_is_a_uuid_of_version_seven_behind_its_prefix() -> None:
    test_id = new_test_id()
    assert TEST_ID.fullmatch(test_id)
    made = uuid.UUID(test_id.removeprefix("tst_"))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert abs((made.int >> 80) / 1000 - time.time()) < 60
    assert new_key_id().startswith("key_")


def test_ids_made_later_sort_later() -> None:
    ids = []
    for _ in range(50):
        ids.append(new_test_id())
        began = time.time_ns()
        while time.time_ns() - began < 1_000:  # an id keeps a quarter of a microsecond of the time
            pass
    assert ids == sorted(ids)


def test_ids_are_never_the_same() -> None:
    assert len({new_test_id() for _ in range(20_000)}) == 20_000


def test_a_user_id_is_one_token_of_a_subject() -> None:
    assert all(USER_ID.fullmatch(user) for user in ("alice", "A_b-9", "x" * 64))
    assert not any(USER_ID.fullmatch(user) for user in ("", "a.b", "a b", "*", ">", "a/b", "ä", "x" * 65, "a\n"))


@given(PARTS, PARTS)
def test_a_fact_has_one_id_and_no_other_fact_has_it(one: list[object], other: list[object]) -> None:
    assert fact_id(*one) == fact_id(*one)
    assert (fact_id(*one) == fact_id(*other)) == ([str(part) for part in one] == [str(part) for part in other])


def test_a_launch_token_names_one_attempt_and_is_short_enough_for_ecs() -> None:
    test_id = TestId("tst_1")
    tokens = {launch_token(test_id, attempt) for attempt in range(1, 4)}
    assert len(tokens) == 3
    assert launch_token(test_id, 1) in tokens
    assert all(0 < len(token) <= 64 and token.isascii() for token in tokens)
