"""A sound installation passes, and one in which something is broken is seen to fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import make_bundles
import numpy as np
import pytest

from mpk_tui import text
from mpk_tui.bundle import ed25519, signers, verify
from mpk_tui.bundle.local import filematch
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.constitution.verdict import Verdict, decide
from mpk_tui.fingerprint.hashing import Hashes, hash_checkpoint
from mpk_tui.lineage.compare import compare_sides
from mpk_tui.progress import Progress
from mpk_tui.selftest import bundles, lineage, reading, run, verdicts
from mpk_tui.selftest.check import Check
from mpk_tui.selftest.run import passed, selftest

PACKAGE = Path(run.__file__).resolve().parent.parent
SCHEMA = json.loads((PACKAGE.parent / "schemas" / "selftest-1.json").read_text(encoding="ascii"))


def quiet(_: str) -> None:
    """Tell nobody."""


def failed(checks: tuple[Check, ...]) -> list[str]:
    return [c.name for c in checks if c.passed is False]


def in_process(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """``mpk-tui`` from the package that lies in ``folder``."""
    return subprocess.run(
        [sys.executable, "-m", "mpk_tui", *args], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(folder), **env}, check=False,
    )  # fmt: skip


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the package, for a test to break."""
    shutil.copytree(PACKAGE, tmp_path / "mpk_tui", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_a_sound_installation_passes() -> None:
    said: list[str] = []
    checks = selftest(said.append)
    assert failed(checks) == []
    assert passed(checks)
    assert len({c.name for c in checks}) == len(checks) > 40
    assert all(c.expected for c in checks if c.passed is not None)
    assert len(said) == 6


def test_the_command_says_so_and_follows_its_schema(copied: Path) -> None:
    import jsonschema

    done = in_process(copied, "selftest", "--json")
    record = json.loads(done.stdout)
    jsonschema.validate(record, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert (done.returncode, record["passed"]) == (0, True)
    assert "self-test: signatures" in done.stderr


def test_the_frozen_bundles_are_those_that_the_script_writes() -> None:
    assert make_bundles.bundles() == {name: bundles.data(name) for name in (bundles.KNOWN, bundles.CONTRADICTION)}
    assert make_bundles.KEY.public.raw == bundles.PUBLIC


def test_turned_bits_read_nowhere_valid_and_are_noticed_if_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    known = bundles.data(bundles.KNOWN)
    counted: list[Progress] = []
    assert bundles._flips(known, 200, counted.append) == "none reads VALID"
    assert counted[-1].done == 200
    monkeypatch.setattr(bundles, "verify", lambda *_: Outcome(Word.VALID, ""))
    assert bundles._flips(known, len(known)) == "VALID with a bit of byte 0 turned"


# Each breaks one thing, as somebody who wants another answer might, and names a check that must see it.
Break = Callable[[pytest.MonkeyPatch], None]


def accept_every_bundle(patch: pytest.MonkeyPatch) -> None:
    def lenient(*args: Any, **more: Any) -> Outcome:
        return replace(verify.verify(*args, **more), verdict=Word.VALID)

    patch.setattr(bundles, "verify", lenient)


def accept_every_signature(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ed25519, "verifies", lambda *_: True)


def accept_keys_of_low_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ed25519, "LOW_ORDER_Y", frozenset())


def refuse_every_bundle(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bundles, "verify", lambda *_, **__: Outcome(Word.ALTERED, "no"))


def link_everything(patch: pytest.MonkeyPatch) -> None:
    def generous(*args: Any, **more: Any) -> Verdict:
        return replace(decide(*args, **more), label="linked", display="linked")

    patch.setattr(verdicts, "decide", generous)


def call_all_related(patch: pytest.MonkeyPatch) -> None:
    real = compare_sides(*(lineage.Side(n, _made(n), None) for n in ("fine-tune", "base")))
    patch.setattr(lineage, "compare_sides", lambda *_: real)


def call_none_related(patch: pytest.MonkeyPatch) -> None:
    real = compare_sides(*(lineage.Side(n, _made(n), None) for n in ("fine-tune", "twin")))
    patch.setattr(lineage, "compare_sides", lambda *_: real)


def _made(name: str) -> Any:
    from mpk_tui.fingerprint.build import fingerprint

    return fingerprint(open_checkpoint(reading.demo_folder(name)))


def hash_something_else(patch: pytest.MonkeyPatch) -> None:
    def other(*args: Any, **more: Any) -> Hashes:
        made = hash_checkpoint(*args, **more)
        return replace(made, tensors=made.tensors[:-1])

    patch.setattr(reading, "hash_checkpoint", other)


def throw(patch: pytest.MonkeyPatch) -> None:
    def boom(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken")

    patch.setattr(reading, "open_checkpoint", boom)


def ask_for_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verify, "judge", lambda *_: [])


def forget_revocations(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(signers, "_key_state", lambda *_: ("trusted", ""))


def believe_every_date(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verify, "check_freshness", lambda *_: None)


def pass_over_endorsements(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verify, "read_endorsements", lambda *_: {})


def pass_over_files(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(filematch, "_added", lambda *_: "")
    patch.setattr(filematch, "_changed", lambda *_: "")


def show_everything_as_it_is(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(text, "_each_visible", lambda t: t)


@pytest.mark.parametrize(
    ("breaking", "seen"),
    [
        (
            accept_every_bundle,
            {"the frozen bundle with a bit of its signature turned", "the bundle that contradicts itself"},
        ),
        (refuse_every_bundle, {"the frozen bundle, by its key"}),
        (
            accept_every_signature,
            {"the signatures of RFC 8032 over another message", "the frozen bundle with a bit of its signature turned"},
        ),
        (accept_keys_of_low_order, {"a signature that fits every message, by a key of low order"}),
        (
            link_everything,
            {"C1 met with context alone", "verdict on Pythia-1.4B and Pythia-1.4B-deduped, 4.4 documented"},
        ),
        (call_all_related, {"fine-tune with twin, by fingerprints", "base with itself"}),
        (call_none_related, {"fine-tune with base, by fingerprints"}),
        (hash_something_else, {"tensor root of base"}),
        (throw, {"tensor root of base"}),
        (
            ask_for_nobody,
            {"the frozen bundle, where two people are needed", "the frozen bundle, by a key stolen since"},
        ),
        (forget_revocations, {"the frozen bundle, by a key stolen since", "the frozen bundle, by a key of later"}),
        (believe_every_date, {"the frozen bundle, two days before its date"}),
        (pass_over_endorsements, {"the frozen bundle, said to lack what it has"}),
        (pass_over_files, {"itself with a file that was not examined", "itself with a file that was changed"}),
        (show_everything_as_it_is, {"what steers a terminal"}),
    ],
)
def test_what_is_broken_is_seen(breaking: Break, seen: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    breaking(monkeypatch)
    if not breaking.__name__.startswith("call_"):
        monkeypatch.setattr(run, "_comparisons", lambda *_, **__: [])  # seconds, and not what is broken here
    checks = selftest(quiet)
    assert seen <= set(failed(checks))
    assert not passed(checks)


@pytest.mark.parametrize(
    ("file", "change", "seen"),
    [
        ("constitution/norm-1.0.0.json", lambda data: data + b"\n", "data file of the norm 1.0.0"),
        ("selftest/known.mpkb", lambda data: data[:-1] + bytes([data[-1] ^ 1]), "SHA-256 of the frozen bundle"),
        ("demo/base/model.safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1]), "tensor root of base"),
        ("bundle/ed25519.py", lambda data: data.replace(b">= L:", b">= 2 * L:"),
         "the signatures of RFC 8032 with S + L for S"),
    ],
)  # fmt: skip
def test_a_changed_file_of_the_package_is_seen(
    copied: Path, file: str, change: Callable[[bytes], bytes], seen: str
) -> None:
    path = copied / "mpk_tui" / file
    before = path.read_bytes()
    path.write_bytes(change(before))
    assert path.read_bytes() != before
    done = in_process(copied, "selftest")
    if file == "bundle/ed25519.py":  # the library below refuses S + L itself; the digest of the code still differs
        assert f"passed   {seen}" in done.stdout
        assert _code(done.stdout) != _code(in_process(PACKAGE.parent, "selftest").stdout)
        return
    assert done.returncode == 40
    assert f"FAILED   {seen}" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("Do not rely on this installation")


def _code(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("code "))


def test_without_numpy_comparisons_are_not_run_and_nothing_else_is_missing(copied: Path) -> None:
    (copied / "numpy.py").write_text("raise ImportError('there is no numpy here')")
    done = in_process(copied, "selftest", "--json")
    record = json.loads(done.stdout)
    skipped = [c for c in record["checks"] if c["passed"] is None]
    assert done.returncode == 0, done.stdout
    assert {c["found"] for c in skipped} == {"not run (numpy is not installed)"}
    assert len(skipped) == 2
    assert record["passed"] is True


def test_a_range_tells_a_number_outside_of_it() -> None:
    def record(z: float | None) -> dict[str, Any]:
        return {"finding": "x", "tests": [{"name": "t", "z": z}]}

    def held(z: float | None) -> bool | None:
        return lineage._held("n", "x", {"t": (1, 2)}, lambda: record(z)).passed

    assert [held(z) for z in (1.5, 0.9, 2.1, None, float(np.nan))] == [True, False, False, False, False]
