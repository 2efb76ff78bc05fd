"""How packages read on a terminal: pure functions from values to lines, like text.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from shlex import quote

from assay.cli.table_text import columns
from assay.cli.text import Line, age, clock, failure, plural, roughly, safe, size
from assay.packages import Package, PackageState

STATE_STYLES = {
    PackageState.GENERATING: "work",
    PackageState.READY: "good",
    PackageState.FAILED: "bad",
    PackageState.EXPIRED: "dim",
}


def verdict(package: Package, now: datetime) -> Iterator[Line]:
    """How it stands, and what to do with it."""
    if package.state is PackageState.FAILED and package.failure is not None:
        yield from failure(package.failure)
        yield [("  ", ""), ("the package could not be made", "bad"), (f"  {package.id}", "dim")]
    elif package.state is PackageState.READY:
        yield [("✓ ", "good"), (f"{safe(package.filename)} is ready", "good"), (f"  {package.id}", "dim")]
        yield [(f"  {_content(package)}, kept for {_left(package.expires, now)}", "dim")]
    elif package.state is PackageState.GENERATING:
        yield [("… ", "work"), ("still being made", "work"), (f"  {package.id}", "dim")]
        yield [(f"  look again: assay package {package.test_id}", "dim")]
    else:
        yield [(package.state.value, STATE_STYLES.get(package.state, "")), (f"  {package.id}", "dim")]
        yield [(f"  make it again: assay package {package.test_id}", "dim")]


def link(package: Package, now: datetime) -> Iterator[Line]:
    """Where it can be had."""
    if package.link is None:
        return
    until = (
        f"until {clock(package.link.expires)[:8]}, {_left(package.link.expires, now)}" if package.link.expires else ""
    )
    yield [(f"  download it with  assay package {package.id} --download .", "")]
    yield [(f"  or from this link ({until}):", "dim")]
    yield [(safe(package.link.url), "id")]


def saved(package: Package, file: Path) -> Iterator[Line]:
    """What to do with the file."""
    folder = package.files[0].path.partition("/")[0] if package.files else ""
    yield [("✓ ", "good"), (safe(str(file)), "good"), (f"  {_content(package)}, checked", "dim")]
    yield [(f"  {package.id}  sha256 {package.sha256}", "dim")]
    # It is made to be copied into a shell.
    unpack = f"cd {quote(safe(str(file.parent)))} && " if file.parent != Path() else ""
    yield [(f"  now: {unpack}unzip {quote(safe(file.name))} && cd {quote(safe(folder))} && less README.md", "")]


def table(packages: Sequence[Package], now: datetime, width: int | None) -> Iterator[Line]:
    """Packages as rows. `width`: columns of the terminal, None where lines may be of any length."""
    rows = [
        (
            package.id,
            package.state.value,
            safe(package.options.service_name or "-"),
            size(package.size) if package.size else "-",
            age(package.created, now),
            _left(package.expires, now) if package.state is PackageState.READY else "-",
            str(package.downloads),
            package.failure.code if package.failure else package.test_id,
        )
        for package in packages
    ]
    titles = ("PACKAGE", "STATE", "SERVICE", "SIZE", "CREATED", "KEPT FOR", "DOWNLOADS", "TEST OR FAILURE")
    styles = [
        ("id", STATE_STYLES.get(package.state, ""), "", "dim", "dim", "dim", "dim", "bad" if package.failure else "dim")
        for package in packages
    ]
    yield from columns(titles, rows, styles, width)


def _content(package: Package) -> str:
    files = f", {plural(len(package.files), 'file')}" if package.files else ""
    return f"{size(package.size)}{files}"


def _left(moment: datetime | None, now: datetime) -> str:
    return roughly(max(moment - now, timedelta())) if moment else "-"
