import codecs
from pathlib import Path

import pytest

from assay.source_files import NotPythonText, decode_source, read_source


def run(source: str) -> str:
    names: dict[str, str] = {}
    exec(compile(source, "agent.py", "exec"), names)
    return names["x"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("x = 'ü'\n".encode(), id="UTF-8"),
        pytest.param(codecs.BOM_UTF8 + "x = 'ü'\r\n".encode(), id="mark and CRLF, case 36"),
        pytest.param("# -*- coding: latin-1 -*-\nx = 'ü'\n".encode("latin-1"), id="latin-1"),
        pytest.param("#!/bin/python\n# vim: set fileencoding=cp1252 :\nx = 'ü'\n".encode("cp1252"), id="second line"),
        pytest.param(codecs.BOM_UTF8 + "# coding: utf-8\nx = 'ü'\n".encode(), id="mark and declaration"),
        pytest.param("# coding: UTF8\nx = 'ü'\n".encode(), id="utf8 by another name"),
    ],
)
def test_a_source_is_decoded_as_python_decodes_it(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "agent.py").write_bytes(data)
    assert run(read_source(tmp_path / "agent.py")) == "ü"


def test_line_ends_stay_as_they_are() -> None:
    assert decode_source(b"a = 1\r\nb = 2\r\n", "agent.py") == "a = 1\r\nb = 2\r\n"


def test_the_declaration_of_another_encoding_is_changed_in_its_place() -> None:
    data = "#!/usr/bin/python\r\n# -*- coding: iso-8859-15 -*-\r\nx = '€'\r\n".encode("iso-8859-15")
    assert decode_source(data, "agent.py") == "#!/usr/bin/python\r\n# -*- coding: utf-8 -*-\r\nx = '€'\r\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"x = 1\ny = '\xfc'\n", "agent.py, line 2: the byte 0xfc is not utf-8, and nothing else is declared"),
        (b"x = '\xfc'\n", "first lines are not UTF-8 and no encoding is declared"),
        (b"# coding: ascii\nx = 1\ny = '\xfc'\n", "agent.py, line 3: the byte 0xfc is not ascii, which it declares"),
        (b"# coding: klingon\nx = 1\n", "unknown encoding"),
        (codecs.BOM_UTF8 + b"# coding: latin-1\nx = 1\n", "encoding problem"),
        ("x = 1\n".encode("utf-16"), "agent.py is UTF-16 text, which Python does not run: save it as UTF-8"),
    ],
)
def test_a_declaration_that_lies_is_told_with_what_to_do(data: bytes, said: str) -> None:
    with pytest.raises(NotPythonText) as raised:
        decode_source(data, "agent.py")
    assert said in str(raised.value)
    assert "agent.py" in str(raised.value)
    assert "UTF-8" in str(raised.value)
