"""Builds the TypeScript types of the API's JSON from proto/assay/v1 into the page of the console (src/gen).

Owns which tools make them and when they are stale; knows nothing of what the messages mean. The types are never
committed. Needs the page's libraries (protoc-gen-es) and `node` on PATH: `make setup` has both.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
WEB = SOURCES.parent / "services" / "console" / "web"
PLUGIN = WEB / "node_modules" / ".bin" / "protoc-gen-es"
PACKAGE = Path("assay") / "v1"
STAMP = ".built-from"
# Types of ProtoJSON only matter here; the bundler resolves imports without an extension.
OPTIONS = "target=ts,json_types=true,import_extension=none"


def fingerprint(sources: list[Path]) -> str:
    """What the types depend on: the .proto files, the tools, and this script."""
    digest = hashlib.sha256(f"grpcio-tools={version('grpcio-tools')}\n".encode())
    for source in [Path(__file__), WEB / "package-lock.json", *sources]:
        digest.update(f"{source.name}:{len(source.read_bytes())}\n".encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


def generate(sources: list[Path], out: Path) -> None:
    from grpc_tools import protoc  # type: ignore[import-untyped]  # 60 ms to import: only when there is something to build

    status = protoc.main(
        [
            "protoc",
            f"--proto_path={SOURCES}",
            f"--proto_path={Path(protoc.__file__).parent / '_proto'}",
            f"--plugin=protoc-gen-es={PLUGIN}",
            f"--es_out={out}",
            f"--es_opt={OPTIONS}",
            *(str(source.relative_to(SOURCES)) for source in sources),
        ]
    )
    if status != 0:
        raise SystemExit(f"proto/page_types.py: protoc ended with {status}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=WEB / "src" / "gen", help="folder that gets assay/v1")
    target: Path = parser.parse_args().out
    sources = sorted((SOURCES / PACKAGE).glob("*.proto"))
    stamp, stamp_file = fingerprint(sources), target / STAMP
    if stamp_file.is_file() and stamp_file.read_text(encoding="utf-8").strip() == stamp:
        return
    if not PLUGIN.exists():
        raise SystemExit("proto/page_types.py: the page's libraries are not installed; run `make setup`")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".gen-") as work:
        generate(sources, Path(work))
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        (Path(work) / "assay").rename(target / "assay")
    stamp_file.write_text(stamp + "\n", encoding="utf-8")
    print(f"built {len(sources)} .proto files into {target}", file=sys.stderr)


if __name__ == "__main__":
    main()
