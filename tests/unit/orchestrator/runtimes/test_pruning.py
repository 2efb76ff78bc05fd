"""Which views of the machine are removed though they are not old."""

import os
from pathlib import Path

from services.orchestrator.runtimes.pruning import _surplus


def test_of_too_many_views_the_longest_unused_go_and_none_that_a_test_may_run_in(tmp_path: Path) -> None:
    for age in range(6):
        folder = tmp_path / f"unused for {age}"
        folder.mkdir()
        os.utime(folder, (1000 - age, 1000 - age))
    _surplus(tmp_path, 1, 1000 - 2.5, but=tmp_path / "unused for 4")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"unused for {age}" for age in (0, 1, 2, 4)]
    _surplus(tmp_path, 4, 1000, but=tmp_path / "unused for 4")
    assert len(list(tmp_path.iterdir())) == 4
