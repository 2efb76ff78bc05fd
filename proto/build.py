"""Builds the Python stubs of the API from proto/assay/v1 into client/assay/v1.

Owns which tools make them and when they are stale; knows nothing of what the messages mean. The stubs are never
committed: `python proto/build.py` makes them at set-up and does nothing when they are up to date.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
CLIENT = SOURCES.parent / "client"
PACKAGE = Path("assay") / "v1"
STAMP = ".built-from"
TOOLS = ("grpcio-tools", "mypy-protobuf")
INIT = '"""Messages and services of the Assay API, version 1. Built by proto/build.py; do not edit."""\n'


def fingerprint(sources: list[Path]) -> str:
    """What the stubs depend on: the .proto files, the tools, and this script."""
    digest = hashlib.sha256()
    for tool in TOOLS:
        digest.update(f"{tool}={version(tool)}\n".encode())
    for source in [Path(__file__), *sources]:
        digest.update(f"{source.name}:{len(source.read_bytes())}\n".encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


def generate(sources: list[Path], out: Path) -> None:
    from grpc_tools import protoc  # type: ignore[import-untyped]  # 60 ms to import: only when there is something to build

    scripts = Path(sysconfig.get_path("scripts"))
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={SOURCES}",
            f"--proto_path={Path(protoc.__file__).parent / '_proto'}",
            f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
            f"--python_out={out}",
            f"--grpc_python_out={out}",
            f"--mypy_out=quiet:{out}",
            f"--mypy_grpc_out=quiet:{out}",
            *(str(source.relative_to(SOURCES)) for source in sources),
        ]
    )
    if status != 0:
        raise SystemExit(f"proto/build.py: protoc ended with {status}")
    for source in sources:
        # A file without a service gets an empty _pb2_grpc pair that nobody imports.
        if "\nservice " not in source.read_text(encoding="utf-8"):
            for stub in (out / PACKAGE).glob(f"{source.stem}_pb2_grpc.py*"):
                stub.unlink()
    (out / PACKAGE / "__init__.py").write_text(INIT, encoding="utf-8")


def install(built: Path, target: Path, stamp: str) -> None:
    """Puts the stubs in place file by file, so that a process that imports meanwhile never meets half a file."""
    target.mkdir(parents=True, exist_ok=True)
    (target / STAMP).unlink(missing_ok=True)
    fresh = {path.name for path in built.iterdir()}
    for old in target.iterdir():
        if old.is_file() and not old.name.startswith(".") and old.name not in fresh:
            old.unlink()
    for path in built.iterdir():
        part = target / f".{path.name}.{os.getpid()}"
        shutil.copyfile(path, part)
        part.replace(target / path.name)
    (target / STAMP).write_text(stamp + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--force", action="store_true", help="build even if the stubs are up to date")
    parser.add_argument("--out", type=Path, default=CLIENT, help="folder that gets assay/v1 (default: client)")
    arguments = parser.parse_args()
    sources = sorted((SOURCES / PACKAGE).glob("*.proto"))
    target = arguments.out / PACKAGE
    stamp = fingerprint(sources)
    stamp_file = target / STAMP
    if not arguments.force and stamp_file.is_file() and stamp_file.read_text(encoding="utf-8").strip() == stamp:
        return
    with tempfile.TemporaryDirectory() as work:
        generate(sources, Path(work))
        install(Path(work) / PACKAGE, target, stamp)
    print(f"built {len(sources)} .proto files into {target}", file=sys.stderr)


if __name__ == "__main__":
    main()
