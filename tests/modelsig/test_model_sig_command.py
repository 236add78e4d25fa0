"""`mpk-tui model-sig` from the outside: answers, exit codes, JSON, and the hostile inputs with what must come of each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from modelsig.signer import (
    NOW,
    bundle_of,
    certificate,
    chain_material,
    hint_of,
    new_key,
    pem_file,
    resources_of,
    rsa_key,
    statement_of,
    write_bundle,
    write_public,
)

from mpk_tui.cli import main
from mpk_tui.errors import ExitCode

SCHEMA = json.loads((Path(__file__).parent.parent.parent / "schemas" / "modelsig-1.json").read_text())
KEY, OTHER = new_key(), new_key("secp384r1")
NAMES = ("config.json", "model.safetensors")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    root = tmp_path / "m"
    root.mkdir()
    (root / "config.json").write_text("{}")
    (root / "model.safetensors").write_bytes(bytes(1000))
    sign(root)
    write_public(KEY, tmp_path / "key.pem")
    write_public(OTHER, tmp_path / "other.pem")
    return root


def sign(root: Path, material: Any = None, **how: Any) -> None:
    write_bundle(bundle_of(statement_of(resources_of(root, NAMES), **how), KEY, material), root / "model.sig")


def command(*args: str | Path) -> int:
    return main(["model-sig", *(str(a) for a in args)])


def printed(capsys: pytest.CaptureFixture[str], code: int, *args: str | Path) -> dict[str, Any]:
    capsys.readouterr()
    assert command(*args, "--json") == code
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    jsonschema.validate(value, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert value["code"] == code
    return value


def test_a_signed_folder(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, 0, model, "--key", model.parent / "key.pem")
    assert found["files"]["same"] == list(NAMES)
    assert found["signature"]["fit"] == "fits"
    assert command(model, "--key", model.parent / "key.pem") == 0
    out = capsys.readouterr().out
    assert "2 of 2 signed files are here and equal; nothing else is here." in out.splitlines()[-1]
    assert "VALID" not in out  # that word is the bundle's


def test_no_key_is_untrusted_and_still_compares(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, ExitCode.UNTRUSTED, model)
    assert (found["signature"]["fit"], found["signature"]["keyid"]) == ("no-key-given", None)
    assert found["files"]["same"] == list(NAMES)


def test_files_that_differ(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "config.json").write_text("[]")
    (model / "model.safetensors").unlink()
    (model / "added.py").write_text("evil")
    files = printed(capsys, ExitCode.MISMATCH, model, "--key", model.parent / "key.pem")["files"]
    assert [f["path"] for f in files["changed"]] == ["config.json"]
    assert [f["path"] for f in files["missing"]] == ["model.safetensors"]
    assert [(f["path"], f["why"]) for f in files["extra"]] == [("added.py", "unsigned")]
    # A signature that does not fit weighs more than files that differ from it.
    printed(capsys, ExitCode.ALTERED, model, "--key", model.parent / "other.pem")


def test_an_added_file_alone_is_a_mismatch(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "added.py").write_text("evil")
    found = printed(capsys, ExitCode.MISMATCH, model, "--key", model.parent / "key.pem")
    assert "1 of them left out by nobody" in found["sentence"]


def test_by_certificate(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = rsa_key()
    ca = certificate("root", root, "root", root, ca=True, days=(-3000, 30000))
    leaf = certificate("signer", KEY, "root", root, days=(-3000, 30000))
    sign(model, chain_material([leaf]))
    given = pem_file([ca], model.parent / "ca.pem")
    found = printed(capsys, 0, model, "--ca", given)
    assert [c["subject"] for c in found["signature"]["chain"]] == ["CN=signer", "CN=root"]
    assert found["signature"]["validity"]["today"] == "within"
    assert command(model, "--ca", given) == 0
    assert "validity today" in capsys.readouterr().out
    other = pem_file([certificate("else", root, "else", root, ca=True)], model.parent / "else.pem")
    assert "nothing that was given" in printed(capsys, ExitCode.UNTRUSTED, model, "--ca", other)["sentence"]
    printed(capsys, ExitCode.UNTRUSTED, model)


def test_usage(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command(model, "--key", "a", "--ca", "b")
    assert ended.value.code == ExitCode.USAGE
    assert command(model, "--key", model / "config.json") == ExitCode.INTERNAL
    assert command(model, "--sig", model / "none") == ExitCode.INTERNAL
    assert command(model.parent / "none") == ExitCode.INTERNAL
    assert command(model, "--sig", "/dev/zero") == ExitCode.INTERNAL
    assert command(model, "--sig", model / "config.json") == ExitCode.MALFORMED


def test_names_from_the_file_cannot_steer_a_terminal(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "evil\x1b[2J\n").write_text("x")
    statement = statement_of(
        [*resources_of(model, NAMES), {"name": "z\x1b]0;x\x07\n", "digest": "00" * 32, "algorithm": "sha256"}]
    )
    write_bundle(bundle_of(statement, KEY), model / "model.sig")
    assert command(model, "--key", model.parent / "key.pem") == ExitCode.MISMATCH
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "z\\x1b]0;x\\x07\\x0a" in out


def test_only_what_is_needed_is_imported() -> None:
    code = "import sys, mpk_tui.cli.model_sig; print([m for m in ('numpy', 'gguf', 'textual') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# The hostile inputs: what is done to a signed folder, and what must come of it ----------------------------------------

Prepare = Callable[[Path], None]


def plant(name: str, **how: Any) -> Prepare:
    def prepare(root: Path) -> None:
        sign(root, **how)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("evil")

    return prepare


def resign(change: Callable[[dict[str, Any]], None]) -> Prepare:
    """The statement is changed and then signed: the signature is good, what it says is not."""

    def prepare(root: Path) -> None:
        statement = statement_of(resources_of(root, NAMES))
        change(statement)
        resources = statement["predicate"]["resources"]
        statement["subject"] = statement_of(resources)["subject"]
        write_bundle(bundle_of(statement, KEY), root / "model.sig")

    return prepare


def rewrite(change: Callable[[dict[str, Any]], None]) -> Prepare:
    """The file around the statement is changed; the signature itself still fits."""

    def prepare(root: Path) -> None:
        bundle = json.loads((root / "model.sig").read_bytes())
        change(bundle)
        write_bundle(bundle, root / "model.sig")

    return prepare


def renamed(name: str) -> Prepare:
    return resign(lambda s: s["predicate"]["resources"][0].update(name=name))


def duplicate_key(root: Path) -> None:
    data = (root / "model.sig").read_bytes()
    (root / "model.sig").write_bytes(data.replace(b'"mediaType":', b'"mediaType": "x", "mediaType":', 1))


def second(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["signatures"] *= 2


def old(root: Path) -> None:
    payload = json.dumps(statement_of(resources_of(root, NAMES))).encode()
    kind = "application/vnd.in-toto+json"
    message = f"DSSEV1 {len(kind)} {kind} {len(payload)} {payload!r}".encode()
    write_bundle(bundle_of(payload, KEY, message=message), root / "model.sig")


def keyless(root: Path) -> None:
    chain = chain_material([certificate("leaf", KEY, "fulcio", KEY)])["x509CertificateChain"]["certificates"]
    sign(root, {"certificate": chain[0], "tlogEntries": []})


HOSTILE: list[tuple[str, Prepare, str, ExitCode, str]] = [
    ("141 planted .gitattributes", plant(".gitattributes"), "key", ExitCode.OK, "extra     .gitattributes  (left out by the format)"),
    ("141 planted hook", plant(".git/hooks/x.py"), "key", ExitCode.OK, "extra     .git/hooks/x.py"),
    ("142 ignore_paths names code", plant("modeling.py", ignore_paths=["modeling.py"]), "key", ExitCode.OK, "extra     modeling.py  (left out by the signer (ignore_paths: modeling.py))"),
    ("142 and without it", plant("modeling.py"), "key", ExitCode.MISMATCH, "extra     modeling.py  (not signed)"),
    ("143 duplicate resource", resign(lambda s: s["predicate"]["resources"].append(s["predicate"]["resources"][0])), "key", ExitCode.MALFORMED, "occurs twice"),
    ("143 duplicate JSON key", duplicate_key, "key", ExitCode.MALFORMED, "occurs twice"),
    ("144 absolute name", renamed("/etc/passwd"), "key", ExitCode.MALFORMED, "absolute"),
    ("144 name with ..", renamed("../config.json"), "key", ExitCode.MALFORMED, "climbs"),
    ("145 second signature", rewrite(second), "key", ExitCode.MALFORMED, "2 signatures"),
    ("145 unknown top-level field", rewrite(lambda b: b.update(messageSignature={})), "key", ExitCode.MALFORMED, "unknown field"),
    ("146 payloadType", rewrite(lambda b: b["dsseEnvelope"].update(payloadType="text/plain")), "key", ExitCode.UNSUPPORTED, "in-toto"),
    ("147 wrong key, right hint", rewrite(lambda b: b["verificationMaterial"]["publicKey"].update(hint=hint_of(OTHER))), "other", ExitCode.ALTERED, "does not fit the given key"),
    ("147 right key, wrong hint", rewrite(lambda b: b["verificationMaterial"]["publicKey"].update(hint=hint_of(OTHER))), "key", ExitCode.ALTERED, "refused"),
    ("148 encoding of release 0.2", old, "key", ExitCode.UNSUPPORTED, "release 0.2"),
    ("149 keyless", keyless, "key", ExitCode.UNSUPPORTED, "keyless"),
]  # fmt: skip


@pytest.mark.parametrize(("prepare", "key", "code", "words"), [h[1:] for h in HOSTILE], ids=[h[0] for h in HOSTILE])
def test_hostile_inputs(
    prepare: Prepare, key: str, code: ExitCode, words: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(model)
    assert command(model, "--key", model.parent / f"{key}.pem") == code
    out, err = capsys.readouterr()
    assert words in out + err
    assert "Traceback" not in out + err


def test_hostile_150_a_certificate_that_expired(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    past = (datetime.now(UTC) - NOW).days - 100
    root = rsa_key()
    ca = certificate("root", root, "root", root, ca=True, days=(past - 1000, past + 100_000))
    sign(model, chain_material([certificate("signer", KEY, "root", root, days=(past - 10, past + 10))]))
    given = pem_file([ca], model.parent / "ca.pem")
    found = printed(capsys, ExitCode.EXPIRED, model, "--ca", given)
    validity = found["signature"]["validity"]
    assert (validity["today"], validity["at_signing"], validity["at_first_moment"]) == ("expired", "unknown", "within")
    assert found["files"]["same"] == list(NAMES)
    assert command(model, "--ca", given) == ExitCode.EXPIRED
    out = capsys.readouterr().out
    assert "validity today" in out
    assert "validity at the time of signing: not known" in out


def test_keyless_digests_are_read_and_compared(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keyless(model)
    (model / "config.json").write_text("[]")
    found = printed(capsys, ExitCode.UNSUPPORTED, model)
    assert [f["path"] for f in found["files"]["changed"]] == ["config.json"]
    assert found["signature_file"]["method"] == "keyless"


def test_a_hash_that_cannot_be_computed_is_unsupported(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resources = [{**r, "algorithm": "blake3"} for r in resources_of(model, NAMES)]
    write_bundle(bundle_of(statement_of(resources, hash_type="blake3"), KEY), model / "model.sig")
    found = printed(capsys, ExitCode.UNSUPPORTED, model, "--key", model.parent / "key.pem")
    assert found["signature"]["fit"] == "fits"
    assert len(found["files"]["not_comparable"]) == 2


def test_a_signed_file_that_became_a_link_is_a_mismatch(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "config.json").rename(model.parent / "config.json")
    (model / "config.json").symlink_to("../config.json")
    found = printed(capsys, ExitCode.MISMATCH, model, "--key", model.parent / "key.pem")
    assert [f["path"] for f in found["files"]["not_comparable"]] == ["config.json"]
