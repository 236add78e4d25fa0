"""Schemas on disk are the ones that the code builds, and what the commands print follows them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from mpk_tui.cli import main
from mpk_tui.demo.run import prepare, run_case
from mpk_tui.demo.seal import seal
from mpk_tui.report.schemas import all_schemas, render

FOLDER = Path(__file__).parent.parent / "schemas"


@pytest.mark.parametrize("name", sorted(all_schemas()))
def test_schema_file_is_fresh(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="ascii") == render(all_schemas()[name]), (
        "stale; run: python -m mpk_tui.report.schemas schemas"
    )


def test_no_schema_file_is_left_over() -> None:
    assert {p.name for p in FOLDER.glob("*.json")} == set(all_schemas())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo case that was signed."""
    out = tmp_path_factory.mktemp("demo") / "out"
    prepare(out)
    run_case(out, lambda _: None)
    seal(out, lambda _: None)
    return out


def printed(capsys: pytest.CaptureFixture[str], *args: str | Path) -> dict[str, object]:
    main([str(a) for a in args])
    value: dict[str, object] = json.loads(capsys.readouterr().out)
    follows(value)
    return value


def follows(value: dict[str, object]) -> str:
    """The name of an object's schema, which it was held against."""
    name = str(value["schema"])
    file = name.removeprefix("mpk-tui/").replace("/", "-") + ".json"
    schema = json.loads((FOLDER / file).read_text(encoding="ascii"))
    jsonschema.validate(value, schema, cls=jsonschema.Draft202012Validator)
    return name


def test_what_the_commands_print_follows_the_schemas(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, tuned, twin = (demo / "checkpoints" / n for n in ("base", "fine-tune", "twin"))
    printed(capsys, "fingerprint", base, "--json")
    printed(capsys, "fingerprint", base, "--json", "--brief")
    for a, b in ((base, tuned), (base, twin), (base, base)):
        printed(capsys, "compare", a, b, "--json")
    assert printed(capsys, "case", "status", demo / "case", "--json")["ready"] is True
    assert printed(capsys, "case", "verdict", demo / "case", "--json")["complete"] is True
    for act in ("propose", "evidence"):
        assert printed(capsys, "case", act, demo / "case", "--pair", "S1:R1", "--json")["pair"] == "S1:R1"
    assert printed(capsys, "case", "log", demo / "case", "--json")["entries"]
    main(["case", "custody", str(demo / "case"), "intake", "From the drive.", "--from", "Unit 7"])
    capsys.readouterr()
    assert printed(capsys, "case", "custody", demo / "case", "--json")["statements"]
    main(["fingerprint", str(base), "-o", str(tmp_path / "shelf.mpkf")])
    capsys.readouterr()
    assert printed(capsys, "library", "list", tmp_path, "--json")["files"]
    shelf = ("--library", tmp_path / "library", "--json")
    assert printed(
        capsys, "library", "add", base, "--parent", "a:3.2", "--parent-kind", "a", "--parent-source", "card", *shelf
    )["entries"]
    assert printed(capsys, "library", "list", *shelf)["entries"]
    assert printed(capsys, "library", "show", "base", *shelf)["history"]
    assert printed(capsys, "library", "stats", *shelf)["documented_parents"] == 1
    assert printed(capsys, "library", "log", *shelf)["history"]
    assert printed(capsys, "library", "check", *shelf)["code"] == 0
    swept, pairs, held = (tmp_path / name for name in ("swept.jsonl", "pairs.jsonl", "held.jsonl"))
    sweeping = ("--library", tmp_path / "library", "--fingerprints", tmp_path / "kept", "--among", pairs)
    (demo / "checkpoints" / "broken.gguf").write_bytes(b"")
    record = printed(capsys, "batch", demo / "checkpoints", "--out", swept, *sweeping, "--json")
    assert (record["errors"], len(record["families"])) == (1, 1)  # type: ignore[arg-type]
    (tmp_path / "list.toml").write_text('[[models]]\nname = "b"\nadvisories = ["A"]\nentry = "base"\n')
    main(["watch", str(tmp_path / "list.toml"), str(demo / "checkpoints"), "--out", str(held), *map(str, sweeping[:2])])
    (demo / "checkpoints" / "broken.gguf").unlink()
    capsys.readouterr()
    kinds = [follows(json.loads(x)) for file in (swept, pairs, held) for x in file.read_text().splitlines()]
    assert {"mpk-tui/batch/1", "mpk-tui/batch-pair/1", "mpk-tui/watch/1"} == set(kinds)
    assert printed(capsys, "keymap", "--json", "--builtin")["keys"]
    bundle, key = demo / "demo.mpkb", demo / "keys" / "demo.pub.pem"
    assert printed(capsys, "verify", bundle, "--key", key, "--json")["verdict"] == "VALID"
    assert printed(capsys, "verify", bundle, "--key", key, "--checkpoint", tuned, "--json")["verdict"] == "VALID"
    again = printed(capsys, "verify", bundle, "--key", key, "--rerun", "--json")
    assert (again["verdict"], [r["outcome"] for r in again["rerun"]]) == ("VALID", ["reproduced"] * 2)  # type: ignore[attr-defined]
    edited = tmp_path / "edited"
    shutil.copytree(tuned, edited)
    (edited / "config.json").write_text("{}")
    assert printed(capsys, "verify", bundle, "--key", key, "--checkpoint", edited, "--json")["verdict"] == "MISMATCH"
    (tmp_path / "nobody").mkdir()
    assert printed(capsys, "verify", bundle, "--trust", tmp_path / "nobody", "--json")["verdict"] == "UNTRUSTED"
    assert printed(capsys, "verify", bundle, "--key", key, "--earlier", bundle, "--json")["verdict"] == "VALID"
    out = tmp_path / "proof.mpki"
    main(["bundle", "show", str(bundle), "--key", str(key), "--json"])
    sections = json.loads(capsys.readouterr().out)["sections"]
    name = sections["artifacts"][0]["id"]
    tensor = sections[f"tensors.{name}"][0][0]
    assert (
        main(["bundle", "prove", str(bundle), "--tensor", f"{name}:{tensor}", "-o", str(out), "--key", str(key)]) == 0
    )
    capsys.readouterr()
    assert printed(capsys, "bundle", "check-proof", out, "--key", key, "--json")["verdict"] == "VALID"
    assert printed(capsys, "bundle", "check-proof", out, "--trust", tmp_path / "nobody", "--json")["tensor"] is None
    broken = tmp_path / "broken.mpkb"
    data = bytearray(bundle.read_bytes())
    data[-100] ^= 1
    broken.write_bytes(data)
    assert printed(capsys, "verify", broken, "--key", key, "--json")["verdict"] == "ALTERED"
    broken.write_bytes(data[:500])
    assert printed(capsys, "verify", broken, "--key", key, "--json")["verdict"] == "MALFORMED"
