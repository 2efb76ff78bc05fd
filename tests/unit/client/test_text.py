from datetime import UTC, datetime, timedelta

import pytest
import typer

from assay.cli import arguments, text, usage_text
from assay.outcome import TokenUsage
from assay.reports import Durations, ReportInterval, Usage, UsageFigures


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


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0, "0 %"), (0.00001, "0.1 %"), (0.947, "94.7 %"), (0.87, "87.0 %"), (0.99999, "99.9 %"), (1.0, "100 %")],
)
def test_only_all_of_it_is_100_percent(share: float, shown: str) -> None:
    assert text.percent(share) == shown


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31 14:00", datetime(2026, 1, 31, 14, tzinfo=UTC)),
        ("2026-01-31T14:00:30Z", datetime(2026, 1, 31, 14, 0, 30, tzinfo=UTC)),
        ("2026-01-31T14:00+02:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("7d", timedelta(days=7)),
        ("1.5h", timedelta(minutes=90)),
    ],
)
def test_times_are_read(written: str, moment: datetime | timedelta) -> None:
    assert arguments.when(written, "--since", zone=UTC) == moment


@pytest.mark.parametrize("written", ["", "7", "20260131", "2026-02-30", "tomorrow", "9999-12-31T23:59-14:00", "9e9d"])
def test_what_is_no_time_is_refused(written: str) -> None:
    with pytest.raises(typer.BadParameter):
        arguments.when(written, "--since", zone=UTC)


def test_usage_is_two_tables_where_the_terminal_is_too_narrow_for_one() -> None:
    took = Durations(2, *([timedelta(seconds=1.4)] * 5))
    step = UsageFigures(datetime(2026, 1, 31, tzinfo=UTC), 3, 1, 1, 0, 1, 0.5, took, took, TokenUsage(7, 8))
    usage = Usage((step,), step)
    wide, narrow = (list(usage_text.usage(usage, ReportInterval.DAY, width)) for width in (None, 80))
    assert (len(wide), len(narrow)) == (3, 7)
    lines = ["".join(piece for piece, _ in line) for line in narrow]
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[-1] == "SUCCESS"
    assert lines[4].split()[:4] == ["DAY", "(UTC)", "RUN", "P50"]
    assert lines[6].split() == ["total", *("1.40", "s") * 4, "7", "8"]
