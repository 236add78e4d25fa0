"""Two verifiers, one folder: what both say of local checkpoints (format.md, section 11).

`SETTLED` holds where they once differed, and the answer that the page gives.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import workshop as w
from second_verifier import STORE, ask, compare_runs

from mpk_tui import canonical, hashtree
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.cli import main
from mpk_tui.constitution.verdict import decide

SHARD = "model-0000{}-of-00002.safetensors"
INDEX = "model.safetensors.index.json"
UNREAD = "unread.json"  # the bundle has no SHA-256 of it


def values(name: str, count: int) -> bytes:
    return hashlib.sha512(name.encode()).digest()[: 4 * count]


WHERE = {f"{n}.weight": SHARD.format(1 if n in "ab" else 2) for n in "abcd"}
TENSORS = {f"{name}.weight": values(name, n + 1) for n, name in enumerate("abcd")}


def safetensors(tensors: Mapping[str, bytes], tail: bytes = b"", dtype: str = "F32", **more: Any) -> bytes:
    header, body = dict(more), b""
    for name, data in tensors.items():
        span = [len(body), len(body) + len(data)]
        header[name] = {"dtype": dtype, "shape": [len(data) // 4], "data_offsets": span}
        body += data
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + body + tail


def some(*names: str) -> dict[str, bytes]:
    return {f"{n}.weight": TENSORS[f"{n}.weight"] for n in names}


def original(folder: Path) -> None:
    (folder / "sub").mkdir(parents=True)
    (folder / SHARD.format(1)).write_bytes(safetensors(some("a", "b")))
    (folder / SHARD.format(2)).write_bytes(safetensors(some("c", "d")))
    (folder / INDEX).write_text(json.dumps({"weight_map": WHERE}))
    for name in (
        "config.json",
        "tokenizer.json",
        "README.md",
        "LICENSE",
        "run.py",
        "sub/extra.bin",
        ".hidden",
        "é.json",
        UNREAD,
    ):
        (folder / name).write_text(name)
    (folder / "alias").symlink_to("config.json")
    (folder / "empty").mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.txt")).write_bytes(b"latin")


def file_rows(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob("*"), key=os.fsencode):
        name = os.fsencode(path.relative_to(folder))
        row: dict[str, Any] = dict.fromkeys(("sha256", "after", "link", "link_class", "mtime_ns", "error"))
        try:
            row["path"] = name.decode()
        except UnicodeDecodeError:
            row["path_b"] = name
        if path.is_symlink():
            yield {**row, "kind": "symlink", "size": 0, "link": os.readlink(path), "link_class": "relative"}
        elif path.is_file():
            data = path.read_bytes()
            known = {"error": "no permission"} if path.name == UNREAD else {"sha256": hashtree.sha256(data)}
            yield {**row, "kind": "file", "size": len(data), **known}
        elif not any(path.iterdir()):
            yield {**row, "kind": "dir", "size": 0}


def described(folder: Path) -> Envelope:
    """A bundle about this folder, written from the page, not with our hashing."""
    original(folder)
    rows = [[n, "F32", [len(d) // 4], len(d), hashtree.sha256(d)] for n, d in TENSORS.items()]
    more = {"rationale": "", "alternatives": [], "limitations": [], "known_gaps": []}
    verdict = {"pair": w.PAIR, **decide(w.norm.load(), {}, []).as_record(), **more}
    return w.sealed(
        w.contents(
            findings=[], evidence=[], answers=[], features__S1=None, locations__S1=None, tensors__S1=rows,
            checkpoint__S1=w.checkpoint_section(*file_rows(folder)),
            verdict={"pairs": [verdict], "decided_by": "A", "decided_at": 1},
        )
    )  # fmt: skip


def put(name: str, data: bytes | str = "x") -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())

    return change


def shard(*args: Any, **more: Any) -> Callable[[Path], None]:
    return put(SHARD.format(1), safetensors(*args, **more))


def drop(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / n).unlink() for n in names] and None


def to_link(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).rename(folder / "moved.md") and (folder / name).symlink_to("moved.md")


NAMES = (
    "x.py", "x.md", "X.MD", "a.png", "README", "README.txt", "README.html", "README.", "readme.md", "License",
    "CONFIG.JSON", "config.JSON", "e\u0301.json", "É.json", ".x.md", ".git/x.md", ".git/hooks/pre", "sub/x.md", "sub/x.py",
    "sub/EXTRA.bin", "x.safetensors", "sub/x.safetensors", "NOTICE.txt",
)  # fmt: skip
FOLDERS: dict[str, Callable[[Path], object]] = {
    "the same": lambda folder: None,
    **{f"added {n}": put(n) for n in NAMES},
    **{f"changed {n}": put(n) for n in ("config.json", "README.md", "LICENSE", "run.py", ".hidden", "sub/extra.bin", UNREAD)},
    **{f"gone {n}": drop(n) for n in ("config.json", "README.md", ".hidden", "alias", INDEX, SHARD.format(2))},
    **{f"link {n}": to_link(n) for n in ("config.json", "README.md", SHARD.format(1))},
    "renamed README.md": lambda f: (f / "README.md").rename(f / "readme.md"),
    "renamed in another form": lambda f: (f / "é.json").rename(f / "e\u0301.json"),
    "link changed": lambda f: ((f / "alias").unlink(), (f / "alias").symlink_to("README.md")),
    "link added": lambda f: (f / "l.md").symlink_to("README.md"),
    "hard link added": lambda f: (f / "again.py").hardlink_to(f / "run.py"),
    "hard link of prose": lambda f: (f / "again.md").hardlink_to(f / "README.md"),
    "device added": lambda f: os.mkfifo(f / "x.md"),
    "folder added": lambda f: (f / "new").mkdir(),
    "hidden folder added": lambda f: (f / ".new").mkdir(),
    "file became a folder": lambda f: ((f / "README.md").unlink(), (f / "README.md").mkdir()),
    "bytes that are not text": lambda f: Path(os.fsdecode(os.fsencode(f) + b"/\xff.bin")).write_bytes(b"x"),
    "bytes changed": lambda f: Path(os.fsdecode(os.fsencode(f) + b"/caf\xe9.txt")).write_bytes(b"x"),
    "tensor edited": shard({**some("a"), "b.weight": values("z", 2)}),
    "tensors swapped": shard({"a.weight": TENSORS["b.weight"], "b.weight": TENSORS["a.weight"]}),
    "tensor renamed": shard({**some("a"), "bb": TENSORS["b.weight"]}),
    "tensor added": shard({**some("a", "b"), "z": values("z", 1)}),
    "tensor gone": shard(some("a")),
    "another dtype": shard(some("a", "b"), dtype="I32"),
    "metadata": shard(some("a", "b"), __metadata__={"format": "pt"}),
    "metadata of numbers": shard(some("a", "b"), __metadata__={"format": 1}),
    "bytes after the last tensor": shard(some("a", "b"), tail=b"x"),
    "a shard cut short": put(SHARD.format(1), safetensors(some("a", "b"))[:-1]),
    "an empty shard": put(SHARD.format(1), b""),
    "one file": lambda f: [drop(SHARD.format(1), SHARD.format(2), INDEX)(f), put("all.safetensors", safetensors(TENSORS))(f)],
    "index of one shard": put(INDEX, json.dumps({"weight_map": {"a.weight": SHARD.format(1)}})),
    "index laid out in another way": put(INDEX, json.dumps({"weight_map": WHERE}, indent=1)),
    "no weights": drop(SHARD.format(1), SHARD.format(2), INDEX),
}  # fmt: skip


def index(**where: str) -> Callable[[Path], None]:
    """An index with some tensors said to lie elsewhere."""
    return put(INDEX, json.dumps({"weight_map": {**WHERE, **{f"{n}.weight": file for n, file in where.items()}}}))


def elsewhere(file: str) -> Callable[[Path], None]:
    """The index sends a loader to other weights, in a file that is no `*.safetensors` at the top."""

    def change(folder: Path) -> None:
        put(file, safetensors({"a.weight": values("other", 1)}))(folder)
        index(a=file)(folder)

    return change


INDEX_DECIDES = "11: the files that its weight_map names"
SETTLED: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "the index names weights that look like prose": (elsewhere("z.md"), "MISMATCH", INDEX_DECIDES),
    "the index leads out of the folder": (elsewhere("../z.safetensors"), "MISMATCH", INDEX_DECIDES),
    "the index is no JSON": (put(INDEX, "{"), "MISMATCH", INDEX_DECIDES),
    "an unread file became a link": (to_link(UNREAD), "MISMATCH", "11: differ in kind"),
    "a long s in LICENSE": (put("LICEN\u017fE"), "MISMATCH", "11: in any case"),
}


@pytest.mark.parametrize("name", SETTLED)
def test_what_once_differed_about_folders_has_one_answer(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    change, word, _ = SETTLED[name]
    (tmp_path / "b.mpkb").write_bytes(described(tmp_path / "original").to_bytes())
    (tmp_path / "trust.mpkt").write_bytes(STORE)
    original(tmp_path / "in" / "folder")
    change(tmp_path / "in" / "folder")
    args = [
        str(tmp_path / "b.mpkb"),
        "--trust",
        str(tmp_path / "trust.mpkt"),
        "--checkpoint",
        str(tmp_path / "in" / "folder"),
    ]
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    main(["verify", *args, "--no-receipt"])
    said = [out.splitlines()[-1].split()[1] for out in (capsys.readouterr().out, ask(*args).stdout)]
    assert said == [word, word]


@pytest.mark.parametrize("match", ["folder", "weights"])
def test_checkpoints_get_the_same_answer(
    match: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = described(tmp_path / "original")
    rows = w.items(base, "tensors.S1")
    leaf = [hashtree.leaf_hash(canonical.encode(rows[1]))]
    bundles = {
        "whole": base,
        "one tensor withheld": w.with_items(base, "tensors.S1", [rows[0], leaf, *rows[2:]]),
        "all tensors withheld": w.without_blob(base, "tensors.S1"),
    }
    (tmp_path / "trust.mpkt").write_bytes(STORE)
    for name, bundle in bundles.items():
        (tmp_path / f"{name}.mpkb").write_bytes(bundle.to_bytes())
    runs = {}
    for number, (name, change) in enumerate(FOLDERS.items()):
        if match == "weights" and name.startswith(("added", "changed")):
            continue  # nothing in these is about weights
        folder = tmp_path / f"checkpoint-{number}"
        original(folder)
        change(folder)
        for which in bundles if "tensor" in name or "same" in name else ("whole",):
            runs[f"{name}: {which}"] = [
                str(tmp_path / f"{which}.mpkb"), "--trust", str(tmp_path / "trust.mpkt"), "--checkpoint", str(folder),
                "--match", match,
            ]  # fmt: skip
    counts = compare_runs(tmp_path, runs, capsys, monkeypatch)
    assert len(runs) > 40
    assert counts["VALID"] > 5
    assert counts["PARTIAL"] > 5
    assert counts["MISMATCH"] > (30 if match == "folder" else 10)
