from hypothesis import given
from hypothesis import strategies as st

from shared.domain.logsequence import BLOCK, attempt_of, first_seq, follows

ATTEMPTS = st.integers(1, 9)
PLACES = st.integers(0, BLOCK - 1)


@given(ATTEMPTS, PLACES)
def test_a_number_tells_its_attempt(attempt: int, place: int) -> None:
    assert attempt_of(first_seq(attempt) + place) == attempt


def test_numbers_count_from_one_and_no_two_attempts_share_any() -> None:
    assert first_seq(1) == 1
    assert first_seq(0) == 1
    assert first_seq(2) == BLOCK + 1
    assert attempt_of(BLOCK) == 1


@given(ATTEMPTS, st.integers(0, 1000), st.integers(0, 1000))
def test_inside_an_attempt_only_the_next_number_follows(attempt: int, last: int, seq: int) -> None:
    before, number = first_seq(attempt) + last, first_seq(attempt) + 1 + seq
    assert follows(before, number) == (seq == last)


@given(ATTEMPTS, ATTEMPTS, st.integers(0, 1000), st.integers(0, 2))
def test_the_step_to_a_later_attempts_first_line_is_no_hole(one: int, other: int, last: int, place: int) -> None:
    if other > one:
        assert follows(first_seq(one) + last, first_seq(other) + place) == (place == 0)


def test_the_first_line_follows_nothing() -> None:
    assert follows(0, 1)
    assert not follows(0, 2)
    assert follows(0, first_seq(2))  # the first attempt wrote nothing
    assert not follows(0, first_seq(2) + 1)


def test_a_line_does_not_follow_itself_or_a_later_one() -> None:
    assert not follows(1, 1)
    assert not follows(5, 1)
    assert not follows(first_seq(2), 1)
