"""The browser that tests of the console drive: Debian's Chromium, or one that is on PATH already.

Not part of `make setup`, as only these tests need it. They do this step themselves when the first of them runs.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from deploy.setup.steps import CommandFailed, Missing, Step
from deploy.setup.system import install

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
PACKAGES = ("chromium", "fonts-dejavu-core")
ELSEWHERE = "Chromium or Chrome on PATH (Debian packages: chromium and fonts-dejavu-core)    # tests of the console"


def program() -> str | None:
    """The path of the browser; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def _absent() -> list[str]:
    if program() is None:
        return list(PACKAGES)
    # A browser of the user's own has the fonts of the user's own.
    return [PACKAGES[1]] if program() == "/usr/bin/chromium" and not FONT.exists() else []


def _install() -> str:
    absent = _absent()
    try:
        install(absent)
    except (Missing, CommandFailed) as lack:
        raise Missing(f"{ELSEWHERE}\n({' and '.join(absent)} cannot be installed here: {lack})") from lack
    if program() is None:
        raise Missing(ELSEWHERE)
    return ", ".join(absent)


STEP = Step(f"{' and '.join(PACKAGES)}, by apt-get", lambda: bool(_absent()), _install)
