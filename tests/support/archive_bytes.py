"""ZIP archives as tools write them, and as nobody should."""

import io
import stat
import zipfile
from collections.abc import Mapping


def zipped(
    files: Mapping[str, bytes | str], *, runs: tuple[str, ...] = (), method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """An archive of these files; those in `runs` are executable."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.external_attr = (stat.S_IFREG | (0o755 if name in runs else 0o644)) << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def with_mode(name: str, mode: int, content: bytes = b"/etc/passwd") -> bytes:
    """An archive of one entry of this mode, such as a symbolic link."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, content)
    return buffer.getvalue()


def renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    """The archive with other bytes as a name, such as no zip module would write. Both of one length."""
    assert len(old) == len(new)
    assert data.count(old) == 2
    return data.replace(old, new)
