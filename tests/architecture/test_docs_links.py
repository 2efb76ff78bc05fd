"""Every link of the documentation that stays in the repository leads to something: a file, a folder, a heading."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+).+?\1")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
_HTML = re.compile(r"""(?:href|src|srcset)=["']([^"']+)["']""")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
BUILT = (".git", ".venv", ".tools", ".assay", "node_modules")  # folders that are not the repository's


def pages() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    names = listed.stdout.decode().split("\0") if listed.returncode == 0 else []
    found = [ROOT / name for name in names if name] or [
        path for path in ROOT.rglob("*.md") if not set(path.relative_to(ROOT).parts) & set(BUILT)
    ]
    return sorted(path for path in found if path.is_file())


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text("utf-8"))


def links(page: Path) -> Iterator[str]:
    text = _CODE.sub("", prose(page))
    for found in [*_LINK.finditer(text), *_HTML.finditer(text)]:
        if not _ELSEWHERE.match(found[1]):
            yield found[1]


@cache
def anchors(page: Path) -> frozenset[str]:
    """The headings of a page, as GitHub names them."""
    seen: dict[str, int] = {}
    names = set()
    for heading in _HEADING.findall(prose(page)):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        times = seen.get(slug, 0)
        seen[slug] = times + 1
        names.add(f"{slug}-{times}" if times else slug)
    return frozenset(names)


def problem(page: Path, link: str) -> str:
    path, _, anchor = unquote(link).partition("#")
    target = (ROOT / path.lstrip("/") if path.startswith("/") else page.parent / path).resolve() if path else page
    if not target.is_relative_to(ROOT):
        return "leads out of the repository"
    if not target.exists():
        return "leads nowhere"
    if anchor and target.suffix == ".md" and anchor not in anchors(target):
        return "has no such heading"
    return ""


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert [f"{link} {wrong}" for link in links(page) if (wrong := problem(page, link))] == []


def test_every_page_of_the_documentation_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.is_file():
            continue
        reached.add(page)
        if page.suffix == ".md":
            waiting += [(page.parent / unquote(link).partition("#")[0]).resolve() for link in links(page)]
    unreached = [str(page.relative_to(ROOT)) for page in pages() if page not in reached]
    assert unreached == []


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("## The two commands", "the-two-commands"),
        ("### `make demo`", "make-demo"),
        ("# 3. Log numbers, at the source", "3-log-numbers-at-the-source"),
        ("## What is [here](elsewhere.md)?", "what-is-here"),
    ],
)
def test_headings_are_named_as_on_github(tmp_path: Path, heading: str, anchor: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{heading}\n\n```\n# not a heading\n```\n", "utf-8")
    assert anchors(page) == {anchor}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[here](README.md)", 0),
        ("[there](README.md#no-such-heading-anywhere)", 1),
        ("[nowhere](no-such-file.md)", 1),
        ("![picture](docs/no-such-picture.svg)", 1),
        ('<img src="docs/no-such-picture.svg">', 1),
        ("`[in code](no-such-file.md)`", 0),
        ("[far away](https://example.org/no-such-file.md)", 0),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, text: str, wrong: int) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    at_root = ROOT / "page.md"  # judged as if it lay beside the README
    assert len([link for link in links(page) if problem(at_root, link)]) == wrong
