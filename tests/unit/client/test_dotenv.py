import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.dotenv import BadEnvFile, parse


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1\nB=two words\n", {"A": "1", "B": "two words"}),
        ("export A=1\n  export  B = 2", {"A": "1", "B": "2"}),
        ("# nothing\n\nA=1 # said\nB=a#b\n", {"A": "1", "B": "a#b"}),
        ('A=\'as $it is\\n\'\nB="one\\ntwo \\"x\\""', {"A": "as $it is\\n", "B": 'one\ntwo "x"'}),
        ('A="-----BEGIN-----\nabc\n-----END-----" # key\nB=2', {"A": "-----BEGIN-----\nabc\n-----END-----", "B": "2"}),
        ("A=\nB=''\n", {"A": "", "B": ""}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("\ufeffA=1", {"A": "1"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A=x=y==", {"A": "x=y=="}),
        ('A="C:\\dir"', {"A": "C:\\dir"}),
        ("A=# none", {"A": ""}),
        ("A=1\nB=${A}/x ${HERE}", {"A": "1", "B": "1/x here"}),
        ("A=\nB=${A:-else} ${C:-other}", {"A": "", "B": "else other"}),
        ("B='${C}'\nD=$C", {"B": "${C}", "D": "$C"}),
        ('B="\\${C} ${"', {"B": "${C} ${"}),
    ],
)
def test_a_file_is_read_as_its_tools_read_it(text: str, values: dict[str, str]) -> None:
    assert parse(text, {"HERE": "here"}) == values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A=1\njust text", "line 2 is not NAME=VALUE"),
        ("1A=2", "line 1 is not NAME=VALUE"),
        ('A=1\nB="x\n\ny', "line 2: the quote does not end"),
        ("A='x' y", "line 1: something follows"),
        ('A="1\n2"\nsecret', "line 3 is not"),
        ("A=1\nB=${C}", "line 2: ${C} is set neither above it nor here"),
    ],
)
def test_a_bad_line_is_named_by_its_number_alone(text: str, said: str) -> None:
    with pytest.raises(BadEnvFile) as raised:
        parse(text, {})
    assert said in str(raised.value)
    assert "secret" not in str(raised.value)


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True), st.text(max_size=20), max_size=5))
def test_quoted_values_come_back_whole(values: dict[str, str]) -> None:
    values = {name: value.replace("\r", "") for name, value in values.items()}
    escaped = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in values.items()}
    assert parse("".join(f'{name}="{value}"\n' for name, value in escaped.items()), {}) == values
