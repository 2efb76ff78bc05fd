from datetime import timedelta

import pytest
import typer

from assay.cli import arguments, text
from assay.requests import requirement_lines


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 ms"),
        (-0.001, "0 ms"),
        (0.0004, "0 ms"),
        (0.38, "380 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (9.994, "9.99 s"),
        (9.996, "10.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (3599.6, "1 h 00 min"),
        (86_399, "23 h 59 min"),
        (90_000, "1 d 01 h"),
    ],
)
def test_durations_have_the_digits_that_matter(seconds: float, shown: str) -> None:
    assert text.span(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 2**40, "5120.0 GiB")]
)
def test_sizes_have_a_unit(count: int, shown: str) -> None:
    assert text.size(count) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain ä 日本 🙂 \t tab", "plain ä 日本 🙂 \t tab"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]52;c;ZXZpbA==\x07", "\\x1b]52;c;ZXZpbA==\\x07"),
        ("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"),
        ("over\rwrite\b", "over\\x0dwrite\\x08"),
        ("\x9b31m", "\\u009b31m"),
        ("nul\x00", "nul\\x00"),
        ("\u202eright to left", "\\u202eright to left"),
    ],
)
def test_what_an_agent_writes_cannot_steer_a_terminal(written: str, shown: str) -> None:
    assert text.safe(written) == shown


@pytest.mark.parametrize(
    ("written", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("5 min", 300), ("2H", 7200), ("1d", 86_400)]
)
def test_durations_are_read(written: str, seconds: float) -> None:
    assert arguments.seconds(written) == seconds


@pytest.mark.parametrize("written", ["", "-1", "1w", "m", "nan", "inf", "1e3", "1 2"])
def test_what_is_no_duration_is_refused(written: str) -> None:
    with pytest.raises(typer.BadParameter):
        arguments.seconds(written)


@pytest.mark.parametrize(("written", "mebibytes"), [("512", 512), ("512M", 512), ("2g", 2048), ("0.5GiB", 512)])
def test_sizes_are_read(written: str, mebibytes: int) -> None:
    assert arguments.mebibytes(written) == mebibytes


def test_requirements_are_read_as_pip_reads_them() -> None:
    pinned = "# all of it\nhttpx==0.28.1 \\\n  ; python_version > '3.9'\n"
    content = f"{pinned}\nrich  # colours\r\nname#not-a-comment\n--index-url x\n"
    assert requirement_lines(content) == [
        "httpx==0.28.1    ; python_version > '3.9'",
        "rich",
        "name#not-a-comment",
        "--index-url x",
    ]
