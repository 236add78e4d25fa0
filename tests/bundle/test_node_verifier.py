"""A second verifier, in JavaScript on Node's own crypto, must give the answers that ours gives."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import workshop as w
from test_endorse import DATA
from test_redact import RECORDS

from mpk_tui.bundle.outcome import CODES
from mpk_tui.errors import LimitError
from mpk_tui.keys.public import pem

ROOT = Path(__file__).parents[2]
BUNDLES = ROOT / "bundles"
VERIFIER = ROOT / "tests" / "node" / "verify.mjs"


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.fail("Node is not installed: the second verifier cannot be run (any version from 20 on will do)")
    return found


def answers(folder: Path, key: Path) -> Mapping[str, str]:
    """What the second verifier says of every file of a folder."""
    done = subprocess.run(
        [node(), str(VERIFIER), "--batch", str(folder), "--key", str(key)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {r["name"]: f"{r['verdict']} {r['exit_code']}" for r in rows}


def test_every_frozen_bundle_gets_the_same_answer(tmp_path: Path) -> None:
    expected = {}
    for folder in BUNDLES.iterdir():
        if folder.is_dir():
            shutil.copy(folder / "bundle.mpkb", tmp_path / folder.name)
            given = json.loads((folder / "expect.json").read_text())
            expected[folder.name] = f"{given['verdict']} {given['exit_code']}"
    assert len(expected) > 100
    assert dict(answers(tmp_path, BUNDLES / "trusted.pub.pem")) == expected


def test_every_kind_of_endorsement_gets_the_same_answer(tmp_path: Path) -> None:
    made = {}
    for n, (kind, data, _) in enumerate(DATA.values()):
        with contextlib.suppress(LimitError):  # what cannot be written cannot be compared
            made[f"data-{n:02}"] = w.endorsed(w.sealed(), w.BERT, kind, data=data).to_bytes()
    for n, (make, *_) in enumerate(RECORDS.values()):
        made[f"record-{n:02}"] = make().to_bytes()
    files = tmp_path / "files"
    files.mkdir()
    for name, data in made.items():
        (files / name).write_bytes(data)
    (tmp_path / "key.pem").write_bytes(pem(w.ANNA.public))
    expected = {name: w.check(data).verdict for name, data in made.items()}
    assert len(set(expected.values())) >= 4
    assert dict(answers(files, tmp_path / "key.pem")) == {n: f"{v.value} {int(CODES[v])}" for n, v in expected.items()}


def mutations(count: int) -> list[bytes]:
    """A bundle with bits turned, bytes exchanged, cut out, doubled or appended."""
    data = w.endorsed(w.sealed(), w.BERT).to_bytes()
    g = np.random.Generator(np.random.PCG64(7))
    out = [data]
    for _ in range(count):
        changed = bytearray(data)
        kind, at = g.integers(0, 5), int(g.integers(0, len(data)))
        if kind == 0:
            changed[at] ^= 1 << int(g.integers(0, 8))
        elif kind == 1:
            changed[at] = int(g.integers(0, 256))
        elif kind == 2:
            del changed[at : at + int(g.integers(1, 40))]
        elif kind == 3:
            changed[at:at] = changed[at : at + int(g.integers(1, 40))]
        else:
            changed = changed[:at]
        out.append(bytes(changed))
    return out


def test_thousands_of_mutations_get_the_same_answer(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    made = mutations(3000)
    for i, data in enumerate(made):
        (files / f"{i:05}").write_bytes(data)
    (tmp_path / "key.pem").write_bytes(pem(w.ANNA.public))
    theirs = answers(files, tmp_path / "key.pem")
    counts: Counter[str] = Counter()
    differ = []
    for i, data in enumerate(made):
        ours = w.check(data).verdict
        counts[ours.value] += 1
        if theirs[f"{i:05}"] != f"{ours.value} {int(CODES[ours])}":
            differ.append((i, ours.value, theirs[f"{i:05}"], w.check(data).words))
    print(dict(counts))
    assert differ == []
    assert counts["VALID"] >= 1
    assert counts["ALTERED"] > 500
    assert counts["MALFORMED"] > 500
