import os
from pathlib import Path

import pytest

from assay.reading import read_bytes


def test_a_file_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert read_bytes(tmp_path / "a", most=100) == b"x" * 100
    with pytest.raises(OSError, match="has more than 0 MiB"):
        read_bytes(tmp_path / "a", most=99)


def test_what_has_no_end_or_no_writer_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(OSError, match="is no regular file"):
            read_bytes(path)
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path)


def test_what_a_shell_hands_over_is_read() -> None:
    """As with `-r <(uv export)`."""
    reader, writer = os.pipe()
    os.write(writer, b"httpx")
    os.close(writer)
    try:
        assert read_bytes(f"/dev/fd/{reader}") == b"httpx"
    finally:
        os.close(reader)
