import itertools

import pytest

from services.console.errors import Problem
from services.console.signin.code import LASTS_S, MOST, MOST_OF_ONE, Codes, own_path
from services.console.signin.session import Session


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def of(bearer: str) -> Session:
    return Session(user="alice", bearer=bearer, until=1.0)


def test_a_code_works_once_and_for_two_minutes() -> None:
    clock = Clock()
    codes = Codes(clock)
    one, other = codes.make(of("key")), codes.make(of("key"))
    assert one != other
    assert codes.use(one) == of("key")
    assert codes.use(one) is None
    clock.now = float(LASTS_S)
    assert codes.use(other) is None


def test_of_one_key_the_oldest_code_goes() -> None:
    codes = Codes(Clock())
    made = [codes.make(of("key")) for _ in range(MOST_OF_ONE + 2)]
    stranger = codes.make(of("another"))
    assert [codes.use(code) is not None for code in made] == [False, False] + [True] * MOST_OF_ONE
    assert codes.use(stranger)


def test_codes_are_bounded_and_there_is_room_again() -> None:
    clock = Clock()
    codes = Codes(clock)
    for number in range(MOST):
        codes.make(of(f"key {number}"))
    with pytest.raises(Problem, match="two minutes") as refused:
        codes.make(of("one more"))
    assert refused.value.status == 429
    clock.now = float(LASTS_S)
    assert codes.use(codes.make(of("one more")))


@pytest.mark.parametrize("to", ["/", "/tests?state=FAILED#x", "/a//b", "/%2f%2fevil", "/tests/ü"])
def test_a_path_of_the_console_is_kept(to: str) -> None:
    assert own_path(to) == to


OUTSIDE = (
    "//evil",
    "/\\evil",
    "\\\\evil",
    "https://evil",
    "evil",
    "",
    "/a\nb",
    "/\t/evil",
    "///evil",
    "/x\\y",
    "//[",
    "/\x00",
)


@pytest.mark.parametrize("to", OUTSIDE)
def test_every_other_address_becomes_the_first_page(to: str) -> None:
    assert own_path(to) == "/"


def test_no_short_text_of_separators_leads_elsewhere() -> None:
    for signs in itertools.product("/\\:\t\r\n@e.", repeat=4):
        to = "".join(signs)
        kept = own_path(to)
        assert kept == "/" or (kept.startswith("/") and kept[1:2] not in ("/", "\\") and "\\" not in kept)
