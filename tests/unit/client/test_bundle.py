import io
import random
import zipfile

from hypothesis import given
from hypothesis import strategies as st

from assay.bundle import PIECE, Bundle, BundleFile
from shared.domain.files import join

paths = st.text(alphabet="abcäé中/._- ", min_size=1, max_size=12).filter(lambda path: path.strip("/. ") == path)
files = st.dictionaries(paths, st.tuples(st.binary(max_size=40), st.booleans()), max_size=6)


@given(files)
def test_the_digest_is_what_the_server_computes(content: dict[str, tuple[bytes, bool]]) -> None:
    bundle = Bundle.of(BundleFile(path, data, executable) for path, (data, executable) in content.items())
    executables = [path for path, (_, executable) in content.items() if executable]
    assert bundle.digest == join({path: data for path, (data, _) in content.items()}, executables).digest


@given(files, st.randoms(use_true_random=False))
def test_the_same_files_are_the_same_bundle_in_any_order(
    content: dict[str, tuple[bytes, bool]], chance: random.Random
) -> None:
    entries = [BundleFile(path, data, executable) for path, (data, executable) in content.items()]
    shuffled = chance.sample(entries, len(entries))
    one, other = Bundle.of(entries), Bundle.of(shuffled)
    assert (one.digest, one.zip) == (other.digest, other.zip)


@given(files)
def test_the_zip_has_the_files_and_their_modes(content: dict[str, tuple[bytes, bool]]) -> None:
    bundle = Bundle.of(BundleFile(path, data, executable) for path, (data, executable) in content.items())
    with zipfile.ZipFile(io.BytesIO(bundle.zip)) as archive:
        found = {
            entry.filename: (archive.read(entry), bool(entry.external_attr >> 16 & 0o100))
            for entry in archive.infolist()
        }
    assert found == content
    assert bundle.size == sum(len(data) for data, _ in content.values())


def test_another_mode_or_path_or_content_is_another_digest() -> None:
    digests = {
        Bundle.of([file]).digest
        for file in (
            BundleFile("a", b"x"),
            BundleFile("a", b"x", executable=True),
            BundleFile("b", b"x"),
            BundleFile("a", b"y"),
        )
    }
    assert len(digests) == 4


def test_pieces_are_no_larger_than_a_message_may_be() -> None:
    bundle = Bundle.of([BundleFile("noise", random.Random(1).randbytes(5 * PIECE // 2))])
    pieces = list(bundle.pieces())
    assert b"".join(pieces) == bundle.zip
    assert [len(piece) for piece in pieces[:-1]] == [PIECE, PIECE]
