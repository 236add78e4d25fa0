"""What hash lists said at intake goes into the bundle with the journal, and the bundle verifies."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from test_recheck import random_tensors, write_folder

from mpk_tui import canonical
from mpk_tui.bundle import envelope
from mpk_tui.case import create_case
from mpk_tui.case.actions import accept_proposals, compare_pair, set_rationale
from mpk_tui.case.artifacts import add_artifact, fingerprint_artifact
from mpk_tui.case.intake import measure_intake
from mpk_tui.cli import main
from mpk_tui.keys import private
from mpk_tui.keys.passphrase import Passphrase


def test_an_accepted_mismatch_is_signed_with_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = random_tensors("subject")
    subject, reference = write_folder(tmp_path / "s", tensors, 2), write_folder(tmp_path / "r", tensors)
    name = next(p.name for p in sorted(subject.iterdir()))
    listed = tmp_path / "SHA256SUMS"
    listed.write_text(f"{'0' * 64}  {name}\n{hashlib.md5(b'', usedforsecurity=False).hexdigest()}  gone\n")
    with create_case(tmp_path / "case", id="C-1", title="Copy?", examiner="Anna", exhibit="EX-7") as c:
        add_artifact(c, subject, role="subject", intake=measure_intake(subject, [listed], "the owner edited the card"))
        add_artifact(c, reference, role="reference")
        for a in ("S1", "R1"):
            fingerprint_artifact(c, a)
        compare_pair(c)
        accept_proposals(c)
        set_rationale(c, "S1:R1", "All tensors are equal.")
        assert c.state.artifacts["S1"].mismatch == "the owner edited the card"
    key, out = tmp_path / "anna.pem", tmp_path / "x.mpkb"
    private.create(key, Passphrase(b"correct horse"))
    read, write = os.pipe()
    os.write(write, b"correct horse\n")
    os.close(write)
    assert main(["bundle", "build", str(tmp_path / "case"), "-o", str(out), "--key", str(key),
                 "--passphrase-fd", str(read)]) == 0  # fmt: skip
    capsys.readouterr()
    assert (
        main(["verify", str(out), "--key", str(private.public_path(key)), "--json", "--checkpoint", str(subject)]) == 0
    )
    assert json.loads(capsys.readouterr().out)["verdict"] == "VALID"
    log = canonical.decode(next(b.data for b in envelope.parse(out.read_bytes()).blobs if b.id == "log"))
    (entry,) = [e for e in log if e["act"] == "artifact" and e["params"]["id"] == "S1"]
    assert entry["result"]["accepted_mismatch"] == "the owner edited the card"
    assert entry["result"]["hash_lists"][0]["differing_lines"][0]["path"] == name
    assert str(tmp_path).encode() not in out.read_bytes()
