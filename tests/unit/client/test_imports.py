import subprocess
import sys
from pathlib import Path

import pytest

import assay

ROOT = Path(__file__).parents[3]


def in_fresh_python(code: str) -> str:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    return ran.stdout.strip()


def test_every_public_name_is_there() -> None:
    assert {name for name in assay.__all__ if getattr(assay, name).__name__ != name} == set()
    assert set(assay.__all__) <= set(dir(assay))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        assay.Nothing  # noqa: B018


@pytest.mark.parametrize("code", ["import assay", "import assay.cli.app"])
def test_importing_loads_nothing_that_takes_long(code: str) -> None:
    heavy = "{'grpc', 'google.protobuf', 'rich', 'asyncio', 'assay.tests', 'assay.project'}"
    assert in_fresh_python(f"import sys; {code}; print(sorted({heavy} & set(sys.modules)))") == "[]"


def test_the_client_knows_neither_the_server_nor_what_it_is_made_of() -> None:
    code = (
        "import pkgutil, importlib, sys, assay\n"
        "for found in pkgutil.walk_packages(assay.__path__, 'assay.'):\n"
        "    if found.name != 'assay.__main__': importlib.import_module(found.name)\n"
        "print(sorted({'services', 'shared', 'deploy', 'pymongo', 'nats', 'pydantic'} & set(sys.modules)))"
    )
    assert in_fresh_python(code) == "[]"


def test_stubs_are_the_same_however_often_they_are_built(tmp_path: Path) -> None:
    def build(*options: str) -> dict[str, bytes]:
        subprocess.run(
            [sys.executable, ROOT / "proto" / "build.py", "--out", tmp_path, *options],
            check=True,
            capture_output=True,
            timeout=60,
        )
        return {path.name: path.read_bytes() for path in (tmp_path / "assay" / "v1").iterdir()}

    first = build()
    assert "test_service_pb2_grpc.pyi" in first
    (tmp_path / "assay" / "v1" / "gone_pb2.py").write_text("stale", encoding="utf-8")
    assert build("--force") == first
    before = (tmp_path / "assay" / "v1" / "test_pb2.py").stat().st_mtime_ns
    assert build() == first
    assert (tmp_path / "assay" / "v1" / "test_pb2.py").stat().st_mtime_ns == before
