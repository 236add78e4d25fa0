"""A pack from a list of checkpoints: every fault of the list has a place, and nothing is done twice."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest
from packing import check
from toy_models import write_model

from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.trust import single_key
from mpk_tui.cli import main
from mpk_tui.errors import MalformedError, MpkError, StorageError
from mpk_tui.fingerprint import build as measuring
from mpk_tui.hashtree import sha256
from mpk_tui.keys.public import read_public
from mpk_tui.library.packs import building, list_file

LIST = """
[pack]
name = "lab"
version = 4
issuer = "Lab A"
statement = "From the list."

[[checkpoint]]
path = "models/base"
name = "Base"
aliases = ["base-7b"]
source = "https://example.org/base"
licence = "apache-2.0"

[[checkpoint]]
path = "models/tuned"
name = "Tuned"

  [[checkpoint.parent]]
  name = "BASE-7b"
  mechanism = "3.2"
  kind = "a"
  evidence = "Fine-tuned from Base."
  source = "https://example.org/tuned, model card"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("base", "tuned"):
        write_model(tmp_path / "models" / name, name)
    (tmp_path / "list.toml").write_text(LIST)
    return tmp_path


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key without a passphrase."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = tmp_path_factory.mktemp("keys") / "k.pem"
    made = Ed25519PrivateKey.from_private_bytes(sha256(b"k"))
    path.write_bytes(made.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
    path.chmod(0o600)
    path.with_name("k.pub.pem").write_bytes(
        made.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    )
    return path


def test_a_list_becomes_a_pack_and_nothing_is_read_twice(
    folder: Path, key: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = measuring.fingerprint

    def counting(path: Path, *args: object) -> object:
        read.append(Path(path).name)
        return real(path, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(measuring, "fingerprint", counting)

    def run(*args: object, code: int = 0) -> tuple[str, str]:
        assert main(["library", "build", str(folder / "list.toml"), *(str(a) for a in args)]) == code
        said = capsys.readouterr()
        return said.out, said.err

    assert run("--check")[0].splitlines() == ["ok              Base", "ok              Tuned"]
    assert read == []
    (folder / "models" / "tuned" / "model.safetensors").rename(folder / "away")
    out, err = run("-o", folder / "p.mpkl", "--key", key, code=50)
    assert "Tuned: " in out
    assert "no pack was written: 1 failed" in err
    assert not (folder / "p.mpkl").exists()
    run("-o", folder / "part.mpkl", "--key", key, "--keep-going", code=10)
    assert read == ["base", "tuned", "tuned"]  # the one that failed is tried again
    read[1:] = []
    (folder / "away").rename(folder / "models" / "tuned" / "model.safetensors")
    run(code=0)  # fingerprints only
    made = json.loads(run("-o", folder / "p.mpkl", "--key", key, "--json")[0])
    shape = Path(__file__).parents[2] / "schemas" / "library-build-1.json"
    jsonschema.validate(made, json.loads(shape.read_text("ascii")))
    assert read == ["base", "tuned"]
    assert (made["pack"]["version"], [c["again"] for c in made["checkpoints"]]) == (4, [True, True])
    found = check(folder / "p.mpkl", single_key(read_public(key.with_name("k.pub.pem"))), now=1 << 42)
    assert found.verdict is Word.VALID
    assert found.contents is not None
    assert found.body is not None
    assert (found.body.name, found.body.signers[0].id, found.body.statement) == ("lab", "Lab A", "From the list.")
    by_name = {e.facts.name: e for e in found.contents.entries}
    (parent,) = by_name["Tuned"].facts.parents
    assert (parent.fingerprint, parent.root) == (by_name["Base"].fingerprint, by_name["Base"].root)
    # Another byte, another fingerprint: what was kept is not taken for it.
    write_model(folder / "models" / "else", "else")
    os.replace(folder / "models" / "else" / "model.safetensors", folder / "models" / "base" / "model.safetensors")
    run(code=0)
    assert read == ["base", "tuned", "base"]
    # A kept file that was damaged is made anew.
    for kept in (folder / "list.toml.work").iterdir():
        kept.write_bytes(kept.read_bytes()[:-1])
    run(code=0)
    assert read == ["base", "tuned", "base", "base", "tuned"]


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ('name = "Base"', 'nam = "Base"', r"\[\[checkpoint\]\] 1: unknown field 'nam'. Did you mean 'name'\?"),
        ('name = "Base"', "", r"\[\[checkpoint\]\] 1: field 'name' is missing or empty"),
        ('name = "Base"', "name = 7", r"field 'name' is not a text; found a whole number"),
        ('name = "Base"', 'name = "Tuned"', r"\[\[checkpoint\]\] 2 \(Tuned\): is called 'Tuned', and so is"),
        ('aliases = ["base-7b"]', 'aliases = "base-7b"', r"\(Base\): field 'aliases' is not a list; found a text"),
        ('aliases = ["base-7b"]', "aliases = [1]", r"'aliases' holds a whole number, not a text"),
        ("version = 4", "version = true", r"\[pack\]: field 'version' is not a whole number; found true or false"),
        ("version = 4", "version = 2026-01-01", r"a value of another kind \(date\)"),
        ("[pack]", "[[pack]]", r"field 'pack' is not a table; found a list"),
        ("[pack]", "[packs]", r"unknown field 'packs'. Did you mean 'pack'\?"),
        ('kind = "a"', 'kind = "d"', r"parent 1: field 'kind' is 'd'; a, b or c"),
        ('evidence = "Fine-tuned from Base."', "", r"parent 1: evidence of kind a needs 'evidence'"),
        ('mechanism = "3.2"', 'mechanism = "9"', r"\(Tuned\): '9' is no mechanism"),
        ('name = "BASE-7b"', 'name = "tuned"', r"parent 1: is named as its own parent"),
        ('name = "BASE-7b"', 'root = "ab"', r"parent 1: field 'root' is not a SHA-256 of 64 hex digits"),
        ('licence = "apache-2.0"', 'sha256 = {a = 1}', r"field 'sha256.a' is not a SHA-256"),
        ('licence = "apache-2.0"', "licence = " + '"' + "x" * 2001 + '"', r"the licence has 2001 characters"),
        ('licence = "apache-2.0"', "licence = ", r"is no TOML: Invalid value \(at line 13"),
        (LIST, "", r"names no checkpoint"),
        (LIST, "a = " + "[" * 9000, r"is no TOML"),
    ],
)  # fmt: skip
def test_every_fault_of_a_list_has_its_place(was: str, now: str, said: str, folder: Path) -> None:
    path = folder / "list.toml"
    path.write_text(LIST.replace(was, now, 1))
    with pytest.raises(MalformedError) as error:
        list_file.read(path)
    assert str(path) in error.value.diagnosis()
    assert re.search(said, error.value.diagnosis()), error.value.diagnosis()


def test_what_is_not_a_list(tmp_path: Path) -> None:
    (tmp_path / "l.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(MalformedError, match="not UTF-8 at byte 5"):
        list_file.read(tmp_path / "l.toml")
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(StorageError):
            list_file.read(path)


def test_digests_that_the_list_gives_must_be_those_of_the_files(folder: Path) -> None:
    path, file = folder / "list.toml", folder / "models" / "base" / "config.json"
    right = sha256(file.read_bytes()).hex()

    def faults(digests: str) -> list[str]:
        path.write_text(LIST.replace('licence = "apache-2.0"', f"sha256 = {{{digests}}}"))
        return [i.fault for i in building.fingerprints(list_file.read(path), folder / "work")]

    assert faults(f'"config.json" = "{right}"') == ["", ""]
    first, second = faults(f'"config.json" = "{"0" * 64}"')
    assert f"config.json has the SHA-256 {right}, the list says {'0' * 64}" in first
    assert second == ""
    assert "names 'gone.bin', which is not there" in faults(f'"gone.bin" = "{right}"')[0]
    assert [bool(f) for _, f in building.check(list_file.read(path))] == [True, False]


def test_the_same_checkpoint_twice_is_told(folder: Path) -> None:
    path = folder / "list.toml"
    path.write_text(LIST.replace("models/tuned", "models/base"))
    items = list(building.fingerprints(list_file.read(path), folder / "work"))
    with pytest.raises(MalformedError, match=r"is the very same as \[\[checkpoint\]\] 1 \(Base\)"):
        building.listed(items, "me", 1)


def test_refused_before_anything_is_read(folder: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*args: object, code: int) -> str:
        assert main(["library", "build", str(folder / "list.toml"), *(str(a) for a in args)]) == code
        return capsys.readouterr().err

    out = folder / "p.mpkl"
    assert "nobody is named who signs" in said("-o", out, code=2)
    assert "there is no such folder" in said("-o", folder / "no" / "p", "--key", key, code=40)
    assert "there is no such key file" in said("-o", out, "--key", folder / "no.pem", code=40)
    assert "a delta and --previous a full pack" in said(
        "-o", out, "--key", key, "--since", out, "--previous", out, code=2
    )
    assert "at least 1" in said("--threads", "0", code=2)
    out.write_bytes(b"")
    assert "never overwritten" in said("-o", out, "--key", key, code=40)
    assert not (folder / "list.toml.work").exists()
    with pytest.raises(MpkError, match="cannot be made"):
        list(building.fingerprints(list_file.read(folder / "list.toml"), out / "work"))
