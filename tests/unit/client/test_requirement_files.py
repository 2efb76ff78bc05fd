from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.requirement_files import RefusedRequirements, read_requirements, requirement_lines

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def lines(text: str) -> list[str]:
    return list(requirement_lines(text).lines)


def refused(text: str) -> list[str]:
    with pytest.raises(RefusedRequirements) as raised:
        requirement_lines(text, "requirements.txt")
    return list(raised.value.problems)


def test_requirements_are_read_as_pip_reads_them() -> None:
    pinned = "# all of it\nhttpx==0.28.1 \\\n  ; python_version > '3.9'\n"
    assert lines(f"{pinned}\nrich  # colours\r\nname#not-a-comment\n") == [
        "httpx==0.28.1 ; python_version > '3.9'",
        "rich",
        "name#not-a-comment",
    ]


def test_hashes_stay_with_their_requirement() -> None:
    """As pip-compile --generate-hashes and `uv export` write them (case 30)."""
    text = (
        f"humanize==4.9.0 \\\n    --hash={A} \\\n    --hash={B}\n    # via -r requirements.in\n"
        f"idna==3.7 --hash {A}\n"
        f"six==1.16.0 ; python_version >= '3.8' \\\n    --hash={B}\n    # via\n    #   a\n    #   b\n"
    )
    assert lines(text) == [
        f"humanize==4.9.0 --hash={A} --hash={B}",
        f"idna==3.7 --hash={A}",
        f"six==1.16.0 ; python_version >= '3.8' --hash={B}",
    ]


def test_a_comment_ends_a_line_that_goes_on() -> None:
    assert lines("httpx \\\n# a comment \\\nrich\n") == ["httpx", "rich"]


def test_a_backslash_at_the_end_of_the_file_is_no_line() -> None:
    assert lines("httpx \\\n") == ["httpx"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xef\xbb\xbfhumanize==4.9.0\nidna==3.7\n", id="UTF-8 with a mark, case 31"),
        pytest.param("humanize==4.9.0\r\nidna==3.7\r\n".encode("utf-16"), id="PowerShell 5"),
        pytest.param(b"\xfe\xff" + "humanize==4.9.0\nidna==3.7".encode("utf-16-be"), id="UTF-16, big end first"),
        pytest.param(b"humanize==4.9.0\r\n\r\nidna==3.7\r\n", id="CRLF"),
        pytest.param("# coding: latin-1\nhumanize==4.9.0  # für mich\nidna==3.7".encode("latin-1"), id="declared"),
    ],
)
def test_a_file_is_read_in_any_encoding_that_tools_write(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "requirements.txt").write_bytes(data)
    assert read_requirements(tmp_path / "requirements.txt").lines == ("humanize==4.9.0", "idna==3.7")


@pytest.mark.parametrize("data", [b"caf\xe9", "httpx".encode("utf-16-le"), b"# coding: nonsense\nhttpx"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "r.txt").write_bytes(data)
    with pytest.raises(RefusedRequirements, match="save it as UTF-8"):
        read_requirements(tmp_path / "r.txt")


def test_files_that_a_file_names_are_read_from_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "deps").mkdir()
    (tmp_path / "requirements.txt").write_text("-r deps/web.txt\nrich\n--requirement=deps/../base.txt", "utf-8")
    (tmp_path / "deps" / "web.txt").write_text("-rmore.txt\nhttpx", "utf-8")
    (tmp_path / "deps" / "more.txt").write_text("idna", "utf-8")
    (tmp_path / "base.txt").write_text("rich\nsix", "utf-8")
    assert read_requirements(tmp_path / "requirements.txt").lines == ("idna", "httpx", "rich", "six")


def test_files_that_name_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r b.txt", "utf-8")
    (tmp_path / "b.txt").write_text("httpx\n-r a.txt", "utf-8")
    with pytest.raises(RefusedRequirements, match=r"b\.txt:2: -r a\.txt: .* they name each other"):
        read_requirements(tmp_path / "a.txt")


def test_a_named_file_that_is_missing_is_told_with_the_place_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("httpx\n-r gone.txt", "utf-8")
    with pytest.raises(RefusedRequirements, match=r"a\.txt:2: -r .*gone\.txt: No such file"):
        read_requirements(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("line", "option", "way_out"),
    [
        ("--index-url https://pypi.example/simple", "--index-url", "UV_DEFAULT_INDEX"),
        ("-i https://pypi.example/simple", "--index-url", "ASSAY_PROCESS_BUILD_ENV"),
        ("--extra-index-url=https://pypi.example/simple", "--extra-index-url", "UV_INDEX"),
        ("--find-links ./wheels", "--find-links", "UV_FIND_LINKS"),
        ("-f wheels", "--find-links", "UV_FIND_LINKS"),
        ("--trusted-host pypi.example", "--trusted-host", "operator"),
        ("--no-index", "--no-index", "operator"),
        ("--pre", "--pre", "==1.0rc1"),
        ("--no-binary :all:", "--no-binary", "UV_NO_BINARY"),
        ("--only-binary=numpy", "--only-binary", "operator"),
        ("-c constraints.txt", "--constraint", "uv pip compile"),
        ("-e ./lib", "--editable", "project"),
        ("-e .", "--editable", "project"),
        ("httpx --config-settings=x=y", "--config-settings", "operator"),
        ("--colour blue", "--colour", "is no option of a requirements file"),
        ("httpx --quickly", "--quickly", "is no option of a requirements file"),
    ],
)
def test_an_option_is_refused_by_its_name_with_the_way_out(line: str, option: str, way_out: str) -> None:
    [problem] = refused(f"rich\n{line}\n")
    assert problem.startswith("requirements.txt:2: ")
    assert f"{option} is " in problem
    assert way_out in problem


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("git+https://example.com/x.git@main#egg=x", "repository of source code"),
        ("x @ git+ssh://git@example.com/x", "repository of source code"),
        ("x @ https://example.com/x-1.0.tar.gz", "address"),
        ("https://example.com/x-1.0-py3-none-any.whl", "address"),
        ("file:///srv/x", "of this machine"),
        ("x @ file:///srv/x", "of this machine"),
        ("./lib", "of this machine"),
        ("../lib", "of this machine"),
        (".", "of this machine"),
        ("C:\\lib", "of this machine"),
        ("wheels/x-1.0-py3-none-any.whl", "of this machine"),
        ("x-1.0.tar.gz", "of this machine"),
        ("-e git+https://u:secret@example.com/x.git@main#egg=x", "repository of source code"),
        ("--editable=https://u:secret@example.com/x-1.0.tar.gz", "address"),
    ],
)
def test_what_comes_from_elsewhere_is_refused_with_the_reason(line: str, what: str) -> None:
    [problem] = refused(line)
    assert what in problem
    assert ("of this machine" in problem, "secret" in problem) == (what == "of this machine", False)


def test_all_that_is_wrong_is_said_at_once_and_no_password_with_it() -> None:
    problems = refused("--index-url https://me:secret@pypi.example/simple\nhttpx\n-e ./lib\ngit+https://x/y\n")
    assert [problem.split(" ")[0] for problem in problems] == [
        "requirements.txt:1:",
        "requirements.txt:3:",
        "requirements.txt:4:",
    ]
    assert "secret" not in "".join(problems)


@pytest.mark.parametrize("line", ["-e .", ".", "-e .[dev]", ".[dev]", "-e file:.", ". ; python_version > '3'"])
def test_the_project_itself_is_left_out_where_it_is_handed_in(tmp_path: Path, line: str) -> None:
    """`uv export` and `poetry export` write it first."""
    (tmp_path / "requirements.txt").write_text(f"{line}\nhttpx==0.28.1 \\\n    --hash={A}\n", "utf-8")
    read = read_requirements(tmp_path / "requirements.txt", own_project=True)
    assert read.lines == (f"httpx==0.28.1 --hash={A}",)
    assert "is the project itself" in read.notes[0]


def test_the_demand_for_hashes_is_no_other_source() -> None:
    assert lines(f"--require-hashes\nhttpx==0.28.1 --hash={A}") == [f"httpx==0.28.1 --hash={A}"]


@given(st.text(alphabet=st.sampled_from("ab=\\#-rce.i \n\r\t@:/[];'\"$\ufeff\u2028"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read = requirement_lines(text)
    except RefusedRequirements:
        return
    assert all(line == line.strip() and line and "\n" not in line for line in read.lines)


@pytest.mark.parametrize("name", ["pyproject.toml", "uv.lock", "poetry.lock", "Pipfile", "environment.yml", "setup.py"])
def test_another_kind_of_file_is_told_with_what_to_hand_in(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("[project]", "utf-8")
    with pytest.raises(RefusedRequirements, match=f"{name} is no requirements file: "):
        read_requirements(tmp_path / name)
