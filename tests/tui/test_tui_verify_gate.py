"""What a stranger's bundle says is shown only where its verdict lets it be shown."""

from __future__ import annotations

import time
from pathlib import Path

from mpk_tui.bundle.trust import TrustStore, single_key
from mpk_tui.bundle.verify import verify
from mpk_tui.demo.run import prepare, run_case
from mpk_tui.demo.seal import seal
from mpk_tui.keys.public import read_public
from mpk_tui.tui.screens.verify import outcome_lines


def test_an_untrusted_bundle_shows_its_signer_and_not_its_content(tmp_path: Path) -> None:
    prepare(tmp_path / "out")
    run_case(tmp_path / "out", lambda _: None)
    seal(tmp_path / "out", lambda _: None)
    data = (tmp_path / "out" / "demo.mpkb").read_bytes()
    now = time.time_ns() // 1_000_000

    def text(store: TrustStore) -> str:
        return "\n".join(str(line) for line in outcome_lines(verify(data, store, now)))

    trusted = text(single_key(read_public(tmp_path / "out" / "keys" / "demo.pub.pem")))
    assert "DEMO-1" in trusted
    assert "Verdict on S1:R1" in trusted
    stranger = text(TrustStore())
    assert "Who signed" in stranger
    assert "DEMO-1" not in stranger
    assert "Verdict on" not in stranger
    assert "not shown" in stranger
