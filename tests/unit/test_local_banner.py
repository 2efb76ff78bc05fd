from pathlib import Path

import pytest

from deploy.local import banner
from deploy.local.children import Backing


@pytest.mark.parametrize(("built", "said"), [(True, "`assay open` signs you in"), (False, "`make page`")])
def test_it_says_where_the_console_is_and_what_to_do_where_its_page_is_not_built(
    built: bool, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "index.html"
    monkeypatch.setattr(banner, "PAGE", page)
    if built:
        page.touch()
    backing = Backing("nats://assay:secret@127.0.0.1:1", "mongodb://assay:secret@127.0.0.1:2", "", ())
    text = banner.banner(tmp_path, "127.0.0.1:3", "http://assay-x.localhost:4", 5, backing, 0.5)
    [line] = [line for line in text.splitlines() if line.startswith("  console ")]
    assert "http://assay-x.localhost:4" in line
    assert said in line
    assert "secret" not in text
