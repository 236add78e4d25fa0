"""Asking both verifiers, ours and the one in JavaScript (``tests/node``), and holding their answers against each other."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import stores
import workshop as w
from workshop import ANNA, BERT, CARLA, DAY, NOW, Pair

from mpk_tui.bundle.later import proofs
from mpk_tui.bundle.outcome import CODES
from mpk_tui.cli import main

VERIFIER = Path(__file__).parents[1] / "node" / "verify.mjs"
FAR = NOW + 36_500 * DAY
EVA, FRED = Pair("eva"), Pair("fred")
STORE = stores.store(
    stores.person("anna", ANNA), stores.person("bert", BERT), stores.person("carla", CARLA, roles=("examiner",)),
    stores.person("eva", EVA), expires=FAR,
)  # fmt: skip


def ask(*args: str | Path) -> subprocess.CompletedProcess[str]:
    found = shutil.which("node")
    if found is None:
        pytest.fail("Node is not installed: the second verifier cannot be run (any version from 20 on will do)")
    return subprocess.run(
        [found, str(VERIFIER), *map(str, args)], capture_output=True, text=True, check=False, timeout=300
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def differences(work: Path, made: Mapping[str, bytes], store: bytes = STORE, *, proof: bool = False) -> Counter[str]:
    """Hold both answers about every file against each other; returns how often each word came."""
    files = work / "files"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir()
    for name, data in made.items():
        (files / name).write_bytes(data)
    (work / "trust.mpkt").write_bytes(store)
    said = {row["name"]: row for row in lines(ask("--batch", files, "--trust", work / "trust.mpkt", "--now", str(NOW)))}
    trusted = stores.read(store).store()
    differ, counts = [], Counter[str]()
    for name, data in made.items():
        ours = proofs.check(data, trusted, NOW) if proof else w.check(data, trusted)
        theirs = said[name]
        counts[ours.verdict.value] += 1
        same = (theirs["verdict"], theirs["exit_code"]) == (ours.verdict.value, int(CODES[ours.verdict]))
        if not same:
            differ.append((name, ours.verdict.value, theirs["verdict"], theirs["why"], ours.words))
    assert differ == [], json.dumps(differ, default=str, indent=1)
    return counts


def compare_runs(
    work: Path, runs: Mapping[str, list[str]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Counter[str]:
    """Hold the two command lines against each other."""
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(work / name))
    (work / "runs").write_text("".join(json.dumps(args) + "\n" for args in runs.values()))
    differ, counts = [], Counter[str]()
    for (name, args), theirs in zip(runs.items(), lines(ask("--runs", work / "runs")), strict=True):
        code = main(["verify", *args, "--no-receipt"])
        last = capsys.readouterr().out.splitlines()[-1]
        counts[last.split()[1]] += 1
        assert code == int(last.split()[2])
        if last != f"VERDICT {theirs['verdict']} {theirs['exit_code']}":
            differ.append((name, last, theirs["verdict"], theirs["why"]))
    assert differ == [], json.dumps(differ, default=str, indent=1)
    return counts
