import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.errors import InvalidRequest, Violations
from services.gateway.streams.textmatch import LONGEST, TextMatch, check_text
from shared.escapes import plain

ESC = "\x1b"


@pytest.mark.parametrize(
    ("text", "match_case", "line", "found"),
    [
        pytest.param("", False, "anything", True, id="no text is in every line"),
        pytest.param("ERROR", False, "an error", True, id="case differs"),
        pytest.param("ERROR", True, "an error", False, id="case differs and matters"),
        pytest.param("error", True, "an error", True, id="case is the same and matters"),
        pytest.param("STRASSE", False, "in der Straße", True, id="case folds to two letters"),
        pytest.param("ΣΊΣΥΦΟΣ", False, "σίσυφος", True, id="a letter with two small forms"),
        pytest.param("a red b", False, f"a {ESC}[1;31mred{ESC}[0m b", True, id="colours within the text"),
        pytest.param("red", True, f"{ESC}[38;2;1;2;3mr{ESC}[0med", True, id="a colour within a word"),
        pytest.param("31m", False, f"{ESC}[31mred", False, id="the escape itself is no text"),
        pytest.param("link", False, f"{ESC}]8;;http://a.b{ESC}\\li{ESC}]8;;{ESC}\\nk", True, id="a link"),
        pytest.param("a.b", False, f"{ESC}]8;;http://a.b{ESC}\\li{ESC}]8;;{ESC}\\nk", False, id="the target of a link"),
        pytest.param("done", False, f"{ESC}]0;title\x07do{ESC}(Bne", True, id="a title and a character set"),
        pytest.param("ab", False, f"a\x9b1mb{ESC}[", True, id="one character for two, and one cut off"),
        pytest.param("[31m", False, "list[31m]", True, id="what only looks like an escape"),
        pytest.param("a\nb", False, "ab", False, id="more than a line"),
    ],
)
def test_where_a_text_is_found(text: str, match_case: bool, line: str, found: bool) -> None:
    match = TextMatch.of(text, match_case=match_case)
    assert match.is_in(line) is found
    assert match.may_be_in([line]) or not found


PIECES = st.lists(
    st.sampled_from(["a", "A", "ß", "ss", "İ", "σ", "ς", "\n", f"{ESC}[31m", ESC, "\x9b", "["]), max_size=6
)
TEXTS = PIECES.map("".join)


@given(st.lists(TEXTS, max_size=4), TEXTS, st.booleans())
def test_a_look_at_many_lines_at_once_never_overlooks_one(lines: list[str], text: str, match_case: bool) -> None:
    match = TextMatch.of(text, match_case=match_case)
    assert match.may_be_in(lines) or not any(match.is_in(line) for line in lines)


@given(TEXTS)
def test_no_escape_is_left_of_a_line(line: str) -> None:
    assert ESC not in plain(line)
    assert "\x9b" not in plain(line)


def test_a_text_may_have_so_many_characters() -> None:
    check_text("ä" * LONGEST, violations := Violations())
    violations.raise_if_any()
    check_text("ä" * (LONGEST + 1), violations)
    with pytest.raises(InvalidRequest, match="text: must have at most 200 characters, this has 201"):
        violations.raise_if_any()
