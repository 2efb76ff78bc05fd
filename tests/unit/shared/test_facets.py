import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import facets as facet
from shared.domain.facets import LONGEST_WORD, MOST_WORDS, facets, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Refund for order_17, please!", ["refund", "for", "order_17", "please"]),
        ("STRASSE Straße", ["strasse"]),
        ("what? What! WHAT", ["what"]),
        ("émile 東京 42", ["émile", "東京", "42"]),
        ("?!… -- \n", []),
        ("x" * 100, ["x" * LONGEST_WORD]),
    ],
)
def test_words_are_runs_of_letters_without_case(text: str, found: list[str]) -> None:
    assert words(text) == found


@given(st.text(max_size=2_000))
def test_whatever_is_searched_for_word_by_word_is_found(text: str) -> None:
    found = facets(agent_id="a", labels=[], provider="", text=text)
    assert {facet.of_word(word) for word in words(text)} <= set(found)
    assert len(found) <= MOST_WORDS + 1


def test_a_label_is_found_by_its_key_and_by_its_value() -> None:
    found = facets(agent_id="bot", labels=["team=a=b", "empty="], provider="ollama", text="")
    assert found == [
        facet.of_agent("bot"),
        facet.of_label("team"),
        facet.of_label("team", "a=b"),
        facet.of_label("empty"),
        facet.of_provider("ollama"),
    ]
