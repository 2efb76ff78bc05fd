"""`.ci/run` with a `make` that only plays its part: which failures get a second run, and what it makes of that."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / ".ci" / "run"
MAKEFILE = """
check:
\t@true
test:
\t@echo "run: $(ARGS)"; mkdir -p .pytest_cache/v/cache; cp failed.json .pytest_cache/v/cache/lastfailed; \\
\tcode=$$(head -1 codes); sed -i 1d codes; echo "TEST_EXIT=$$code"; exit $$code
"""


@pytest.mark.parametrize(
    ("codes", "failed", "passes", "runs"),
    [
        pytest.param([0], 0, True, 1, id="all pass"),
        pytest.param([1, 0], 5, True, 2, id="a few pass at the second run"),
        pytest.param([1, 1], 5, False, 2, id="they fail again"),
        pytest.param([1], 6, False, 1, id="many fail"),
        pytest.param([1], 0, False, 1, id="it failed, and no test did"),
        pytest.param([2, 0], 1, False, 1, id="interrupted after a failure"),
        pytest.param([3, 0], 1, False, 1, id="a fault of pytest after a failure"),
        pytest.param([137, 0], 1, False, 1, id="killed after a failure"),
    ],
)
def test_only_a_run_that_came_to_its_end_with_few_failures_gets_a_second_one(
    tmp_path: Path, codes: list[int], failed: int, passes: bool, runs: int
) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(RUN, tmp_path / ".ci" / "run")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "codes").write_text("".join(f"{code}\n" for code in codes))
    (tmp_path / "failed.json").write_text(json.dumps({f"test_{one}": True for one in range(failed)}))
    ended = subprocess.run([tmp_path / ".ci" / "run"], check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode == 0, ended.stdout.count("run: ")) == (passes, runs), ended.stdout + ended.stderr
    assert ("FLAKY" in ended.stdout) == (passes and runs == 2)
