"""Who made a package and of what: provenance, signature and SBOM, checked by us and by tools that are not ours."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL
from typer.testing import CliRunner

from assay.attestation import BadKey
from assay.cli.app import app
from assay.verify import Verification, verify_package
from deploy.admin import app as admin
from services.packager.archive import packed, write_archive
from services.packager.content import PackageFacts, contents
from services.packager.signing import BadSigningKey, SigningKey
from tests.support.package_facts import EVERYTHING, FACTS, facts, zipped

Files = dict[str, bytes]
ENVELOPE = "provenance.intoto.jsonl"
PROJECT = dataclasses.replace(
    EVERYTHING,
    agent_path="src/main.py",
    project={"src/main.py": b"def run(query): return query\n", "naïve.txt": b"x"},
    inputs={"in.csv": b"1,2\n"},
    system_packages=("tesseract-ocr", "g++"),
    built_from_source=("six==1.17.0",),
    resolved=("torch==2.9.0+cpu", "six==1.17.0", "a.b-c==1!2.0"),
    requirements=("torch", "six", "not-resolved>=1; python_version > '3'"),
)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.make(tmp_path_factory.mktemp("keys") / "signing.pem")


def signed(of: PackageFacts, key: SigningKey) -> bytes:
    sink = io.BytesIO()
    write_archive(contents(of), of, sink, key.envelope)
    return sink.getvalue()


def rezipped(files: Files) -> bytes:
    """As somebody would who wants a change to stay unnoticed: SHA256SUMS are right."""
    others = {path: data for path, data in files.items() if path != "SHA256SUMS"}
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in others.items())
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for path, data in {**others, "SHA256SUMS": sums.encode()}.items():
            archive.writestr(f"word-counter/{path}", data)
    return sink.getvalue()


def looked_at(raw: bytes, folder: Path, *keys: SigningKey) -> Verification:
    path = folder / "package.zip"
    path.write_bytes(raw)
    return verify_package(path, keys=[one.public_pem.encode() for one in keys])


@pytest.mark.parametrize("of", [FACTS, EVERYTHING, PROJECT, facts(agent_code="")])
def test_what_was_signed_passes_by_its_key(of: PackageFacts, key: SigningKey, tmp_path: Path) -> None:
    found = looked_at(signed(of, key), tmp_path, key)
    assert found.problems == []
    assert found.signature
    assert found.signature.checked_by == key.key_id
    assert list(found.signature.key_ids) == [key.key_id]


def test_the_same_test_and_key_give_the_same_bytes(key: SigningKey) -> None:
    assert signed(PROJECT, key) == signed(PROJECT, key)


def test_an_unsigned_package_is_whole_and_fails_where_a_signature_is_asked_for(key: SigningKey, tmp_path: Path) -> None:
    assert looked_at(zipped(FACTS), tmp_path).problems == []
    assert looked_at(zipped(FACTS), tmp_path, key).problems == ["it is not signed, and a signature was asked for"]


def test_the_signature_of_somebody_else_is_none(key: SigningKey, tmp_path: Path) -> None:
    other = SigningKey.make(tmp_path / "other.pem")
    found = looked_at(signed(FACTS, other), tmp_path, key)
    assert found.problems == ["the signature is not one of the given keys'"]
    assert looked_at(signed(FACTS, other), tmp_path, key, other).passed  # while keys are changed, either will do


def all_anew(files: Files, key: SigningKey) -> Files:
    """The whole package made again with other code, by somebody who has Assay and not the key; the signature kept."""
    return {**packed(facts(agent_code="import os\n")), ENVELOPE: files[ENVELOPE]}


def under_a_false_name(files: Files, key: SigningKey) -> Files:
    """Signed by another key that says to be this one."""
    forged = json.loads(packed(FACTS, SigningKey.make(Path(files["_folder"].decode()) / "f.pem").envelope)[ENVELOPE])
    forged["signatures"][0]["keyid"] = key.key_id
    return {**files, ENVELOPE: json.dumps(forged).encode()}


def of_another_package(files: Files, key: SigningKey) -> Files:
    return {**files, ENVELOPE: packed(facts(query="another"), key.envelope)[ENVELOPE]}


def of_another_package_with_its_statement(files: Files, key: SigningKey) -> Files:
    other = packed(facts(query="another"), key.envelope)
    return {**files, ENVELOPE: other[ENVELOPE], "provenance.json": other["provenance.json"]}


def edited(change: Callable[[dict[str, Any]], None]) -> Callable[[Files, SigningKey], Files]:
    def tamper(files: Files, key: SigningKey) -> Files:
        envelope = json.loads(files[ENVELOPE])
        change(envelope)
        return {**files, ENVELOPE: json.dumps(envelope).encode()}

    return tamper


def other_type(envelope: dict[str, Any]) -> None:
    envelope["payloadType"] = "application/json"


def no_signatures(envelope: dict[str, Any]) -> None:
    envelope["signatures"] = []


def many_signatures(envelope: dict[str, Any]) -> None:
    envelope["signatures"] *= 1000


def cut_signature(envelope: dict[str, Any]) -> None:
    raw = base64.b64decode(envelope["signatures"][0]["sig"])
    envelope["signatures"][0]["sig"] = base64.b64encode(raw[:-1]).decode()


def changed_payload(envelope: dict[str, Any]) -> None:
    statement = json.loads(base64.b64decode(envelope["payload"]))
    statement["predicate"]["buildDefinition"]["externalParameters"]["test_id"] = "tst_other"
    envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()


def no_list(envelope: dict[str, Any]) -> None:
    envelope["signatures"] = "x"


@pytest.mark.parametrize(
    "tamper",
    [
        all_anew,
        under_a_false_name,
        of_another_package,
        of_another_package_with_its_statement,
        edited(other_type),
        edited(no_signatures),
        edited(many_signatures),
        edited(cut_signature),
        edited(changed_payload),
        edited(no_list),
        lambda files, _: {**files, "agent.py": b"import os\n"},
        lambda files, _: {**files, "extra.py": b""},
        lambda files, _: {path: data for path, data in files.items() if path != "server.py"},
        lambda files, _: {path: data for path, data in files.items() if path != "provenance.json"},
        lambda files, _: {path: data for path, data in files.items() if path != ENVELOPE},
        lambda files, _: {**files, "provenance.json": files["provenance.json"] + b" "},
        lambda files, _: {**files, ENVELOPE: b"[" * 100_000},
        lambda files, _: {**files, ENVELOPE: b"{}"},
        lambda files, _: {**files, "provenance.json": b"[]"},
    ],
)
def test_nothing_can_be_changed_under_a_signature(
    tamper: Callable[[Files, SigningKey], Files], key: SigningKey, tmp_path: Path
) -> None:
    files = {**packed(FACTS, key.envelope), "_folder": str(tmp_path).encode()}
    changed = {path: data for path, data in tamper(files, key).items() if path != "_folder"}
    found = looked_at(rezipped(changed), tmp_path, key)
    assert not found.passed


def test_no_changed_byte_of_a_signed_package_stays_unnoticed_that_changes_a_file(
    key: SigningKey, tmp_path: Path
) -> None:
    whole, files = signed(FACTS, key), packed(FACTS, key.envelope)

    @given(place=st.integers(0, len(whole) - 1), value=st.integers(1, 255))
    def flipped(place: int, value: int) -> None:
        raw = bytearray(whole)
        raw[place] ^= value
        if looked_at(bytes(raw), tmp_path, key).passed:
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                assert {name.partition("/")[2]: archive.read(name) for name in archive.namelist()} == files

    flipped()


# --- by tools that are not ours


def pre_authenticated(folder: Path) -> Path:
    """As docs/howto/deploy-a-package.md has it, in a shell."""
    script = (
        "{ printf 'DSSEv1 28 application/vnd.in-toto+json %s ' $(wc -c < provenance.json); cat provenance.json; } > pae"
    )
    subprocess.run(["sh", "-c", script], cwd=folder, check=True)
    return folder / "pae"


def test_openssl_checks_the_signature_without_assay(key: SigningKey, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    with zipfile.ZipFile(io.BytesIO(signed(FACTS, key))) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "word-counter"
    envelope = json.loads((folder / ENVELOPE).read_text())
    (folder / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    (folder / "public.pem").write_text(key.public_pem)
    pae = pre_authenticated(folder)
    command = [
        openssl,
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "public.pem",
        "-rawin",
        "-in",
        "pae",
        "-sigfile",
        "sig",
    ]
    assert subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode == 0
    pae.write_bytes(pae.read_bytes() + b" ")
    assert subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode != 0


@pytest.mark.parametrize("of", [FACTS, EVERYTHING, PROJECT, facts(requirements=("six",))])
def test_the_sbom_is_cyclonedx_and_names_what_was_installed(of: PackageFacts) -> None:
    text = packed(of)["sbom.cdx.json"].decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    components = json.loads(text)["components"]
    assert len({one["bom-ref"] for one in components}) == len(components)
    urls = {PackageURL.from_string(one["purl"]) for one in components}
    installed = {(url.name, url.version) for url in urls if url.type == "pypi"}
    wanted = {tuple(line.replace(".b", "-b").split("==")) for line in of.resolved}
    assert wanted <= installed
    assert {url.name for url in urls if url.type == "deb"} == set(of.system_packages)


def test_the_sbom_says_when_versions_are_not_known() -> None:
    for of, said in ((EVERYTHING, "incomplete"), (FACTS, "complete"), (facts(requirements=("six",)), "incomplete")):
        assert json.loads(packed(of)["sbom.cdx.json"])["compositions"][0]["aggregate"] == said


def test_the_provenance_names_each_file_and_what_it_was_made_of() -> None:
    files = packed(PROJECT)
    statement = json.loads(files["provenance.json"])
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    digests = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    assert digests == {
        path: hashlib.sha256(data).hexdigest()
        for path, data in files.items()
        if path not in {"provenance.json", "SHA256SUMS"}
    }
    definition, details = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
    assert details["metadata"]["invocationId"] == PROJECT.test_id
    made_of = definition["resolvedDependencies"]
    assert "pkg:pypi/torch@2.9.0%2Bcpu" in {one.get("uri") for one in made_of}
    assert digests["project/src/main.py"] in {one.get("digest", {}).get("sha256") for one in made_of}


# --- keys


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    made = CliRunner().invoke(admin, ["signing-key", str(path), "--new"])
    assert made.exit_code == 0, made.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert "PRIVATE" not in made.output
    shown = CliRunner().invoke(admin, ["signing-key", str(path)])
    assert shown.stdout == made.stdout == SigningKey.read(path).public_pem
    again = CliRunner().invoke(admin, ["signing-key", str(path), "--new"])
    assert isinstance(again.exception, BadSigningKey)
    assert SigningKey.read(path).public_pem == shown.stdout


def of_another_kind(path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    path.write_bytes(generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(b"secret text"), "no Ed25519 private key"),
        (of_another_kind, "no Ed25519 private key"),
        (lambda path: path.write_text(SigningKey.make(path.with_suffix(".2")).public_pem), "no Ed25519 private key"),
        (lambda path: path.chmod(0o604), "open to others"),
    ],
)
def test_what_is_no_key_is_named_without_its_content(spoil: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    SigningKey.make(path)
    path.chmod(0o600)
    spoil(path)
    with pytest.raises(BadSigningKey) as error:
        SigningKey.read(path)
    assert said in str(error.value)
    assert "secret text" not in str(error.value)


# --- the command


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["verify", *words])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_says_what_was_checked(key: SigningKey, tmp_path: Path) -> None:
    package, public = tmp_path / "p.zip", tmp_path / "public.pem"
    public.write_text(key.public_pem)
    package.write_bytes(zipped(FACTS))
    assert "not signed" in run(str(package))[1]
    code, _, err = run(str(package), "--key", str(public))
    assert (code, "not signed" in err) == (1, True)
    package.write_bytes(signed(FACTS, key))
    assert "signature not checked" in run(str(package))[1]
    code, out, _ = run(str(package), "--key", str(public))
    assert (code, f"signed: key {key.key_id[:16]}" in out) == (0, True)
    said = json.loads(run(str(package), "--key", str(public), "--json")[1])
    assert said["signature"] == {"key_ids": [key.key_id], "checked_by": key.key_id}


def test_a_key_that_is_none_ends_with_2(key: SigningKey, tmp_path: Path) -> None:
    package, public = tmp_path / "p.zip", tmp_path / "public.pem"
    package.write_bytes(signed(FACTS, key))
    assert run(str(package), "--key", str(public))[0] == 2
    public.write_bytes(b"what")
    code, _, err = run(str(package), "--key", str(public))
    assert (code, "no Ed25519 public key" in err) == (2, True)
    with pytest.raises(BadKey):
        verify_package(package, keys=[b""])


def test_without_the_library_it_says_what_to_install(key: SigningKey, tmp_path: Path) -> None:
    package, public = tmp_path / "p.zip", tmp_path / "public.pem"
    package.write_bytes(signed(FACTS, key))
    public.write_text(key.public_pem)
    script = (
        "import sys; sys.modules['cryptography'] = None; sys.argv = ['assay', 'verify', *sys.argv[1:]]; "
        "from assay.cli import main; main()"
    )
    words = [sys.executable, "-c", script, str(package), "--key", str(public)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, "pip install 'assay[verify]'" in done.stderr) == (2, True), done.stderr
    done = subprocess.run(words[:-2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
