import pytest

from services.gateway.errors import InvalidRequest
from services.gateway.paging import page_token, place_of
from shared.ids import new_test_id

QUERY = b"alice\0RUNNING"


def test_a_token_leads_to_where_it_was_made() -> None:
    last = new_test_id()
    token = page_token(QUERY, last)
    assert place_of(token, QUERY) == last
    assert token.isascii()
    assert last not in token


def test_no_token_is_the_first_page() -> None:
    assert place_of("", QUERY) is None


@pytest.mark.parametrize(
    "token", ["garbage", "!!!", "AAAA", "tst_" + "0" * 32, "ä", "a" * 10_000, page_token(b"bob", "tst_" + "7" * 32)]
)
def test_garbage_and_tokens_of_another_query_are_refused(token: str) -> None:
    with pytest.raises(InvalidRequest, match="page_token"):
        place_of(token, QUERY)


def test_a_changed_token_is_refused() -> None:
    token = page_token(QUERY, new_test_id())
    changed = ("B" if token[0] == "A" else "A") + token[1:]
    with pytest.raises(InvalidRequest):
        place_of(changed, QUERY)
