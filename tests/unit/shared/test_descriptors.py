import subprocess
import sys

import pytest

from shared.descriptors import room_for

PROGRAM = """
import resource
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
from shared.descriptors import allow_many
allow_many()
print(resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard))
"""


def test_a_process_takes_what_the_system_allows() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert ran.stdout == "True\n"


@pytest.mark.parametrize(
    ("files", "room"),
    [(None, 20_000), (1 << 20, 20_000), (21_024, 20_000), (20_000, 18_976), (4_096, 3_072), (1_024, 512), (1, 1)],
)
def test_strangers_leave_files_for_the_store_and_the_bus(files: int | None, room: int) -> None:
    assert room_for(20_000, files) == room
