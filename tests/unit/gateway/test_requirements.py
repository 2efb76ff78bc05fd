import pytest

from services.gateway.errors import Violations
from services.gateway.submission.requirements import checked


@pytest.mark.parametrize(
    ("line", "stored"),
    [
        ("httpx", "httpx"),
        ("httpx>=0.27,<1", "httpx<1,>=0.27"),
        ("  httpx == 0.27.0  # the newest", "httpx==0.27.0"),
        ("httpx[http2]~=0.27", "httpx[http2]~=0.27"),
        ("requests (>=2.0)", "requests>=2.0"),
        ('tomli ; python_version < "3.11"', 'tomli; python_version < "3.11"'),
        ("My.Package_x==1.*", "My.Package_x==1.*"),
        ("httpx>=0.27\r\n", "httpx>=0.27"),
    ],
)
def test_names_with_versions_are_stored_in_normal_form(line: str, stored: str) -> None:
    violations = Violations()
    assert checked([line], "r", violations) == [stored]
    assert not violations.found


def test_comments_and_blank_lines_are_left_out_and_do_not_move_the_numbers() -> None:
    violations = Violations()
    assert checked(["# tools", "", "   ", "httpx", "-x"], "r", violations) == ["httpx"]
    assert [bad.field for bad in violations.found] == ["r[4]"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-r other.txt", "is an option"),
        ("--index-url https://example.com/simple", "is an option"),
        ("-e .", "is an option"),
        ("--hash=sha256:00", "is an option"),
        ("httpx --pre", "PEP 508"),
        ("https://example.com/a.whl", "URL"),
        ("httpx @ https://example.com/a.whl", "URL"),
        ("httpx @ file:///etc/passwd", "URL"),
        ("git+https://example.com/a.git", "URL"),
        ("git+ssh://git@example.com/a", "URL"),
        ('demo; os_name == "${PIP_INDEX_URL}"', "has a $ in it"),
        ("demo===$VERSION", "has a $ in it"),
        ("./local", "is a path"),
        ("../local", "is a path"),
        ("/etc/passwd", "is a path"),
        ("~/local", "is a path"),
        ("C:\\local", "is a path"),
        ("dir/package", "is a path"),
        ("package-1.0-py3-none-any.whl", "is a path"),
        ("httpx>=", "PEP 508"),
        ("httpx=0.27", "PEP 508"),
        ("httpx 0.27", "PEP 508"),
        ("$(reboot)", "has a $ in it"),
        ("httpx; rm -rf", "PEP 508"),
        ("httpx\n--index-url x", "control character"),
        ("httpx\0", "control character"),
        ("httpx\u2028-e .", "control character"),
        ("a" * 501, "500 characters"),
    ],
)
def test_everything_else_is_refused(line: str, words: str) -> None:
    violations = Violations()
    assert checked([line], "spec.requirements", violations) == []
    assert [bad.field for bad in violations.found] == ["spec.requirements[0]"]
    assert words in violations.found[0].description


def test_what_is_shown_of_a_bad_line_is_short() -> None:
    violations = Violations()
    checked(["-" + "x" * 400], "r", violations)
    assert len(violations.found[0].description) < 150
