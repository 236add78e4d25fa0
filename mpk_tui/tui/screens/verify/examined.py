"""What was examined, and with what: files, tensors, features and facts of every artifact, the tool and its self-test.

All of it is a claim of whoever signed; a checkpoint on this machine can be held against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from mpk_tui.bundle.commitments import Withheld
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.wording import when
from mpk_tui.text import size
from mpk_tui.tui.screens.verify.part import Lines, Part, Rows, Table, one_line, spread_table
from mpk_tui.tui.widgets.table import Column


def artifact_parts(contents: Contents, artifact: Mapping[str, Any]) -> list[Part]:
    """Parts of one artifact."""
    name = artifact["id"]
    checkpoint = contents.sections[f"checkpoint.{name}"]
    files = checkpoint["files"]
    out = [
        Part(f"artifact:{name}", f"{name} as examined", artifact["label"],
             text=partial(_examined, artifact, checkpoint)),
        Part(f"files:{name}", f"{name} files", f"{len(files):,}", table=partial(_files, files)),
    ]  # fmt: skip
    for family, title, make in (
        ("tensors", "tensors", _tensors), ("features", "features", _features), ("facts", "facts of its files", _facts),
    ):  # fmt: skip
        section = contents.sections.get(f"{family}.{name}")
        if section is not None:
            count = "" if family == "facts" else f"{len(section):,}"
            out.append(Part(f"{family}:{name}", f"{name} {title}", count, table=partial(make, section)))
    return out


def _examined(artifact: Mapping[str, Any], checkpoint: Mapping[str, Any]) -> Lines:
    out = Lines().fact("Artifact", artifact["id"]).fact("Label", artifact["label"]).fact("Role", artifact["role"])
    out.fact("Format", artifact["format"]).fact("Family", artifact["family"]).fact("Scope", artifact["scope"])
    out.fact("Parameters", f"{artifact['parameters']:,}")
    out.fact("Fingerprint", artifact["fingerprint"].hex() if artifact["fingerprint"] else "none")
    out.fact("Examined", "all of it" if artifact["complete"] else "only part of it; no exclusion can be established")
    mount, block = checkpoint["mount"], checkpoint["write_block"]
    known = {True: "read-only", False: "writable", None: "not known"}[mount["read_only"]]
    out.fact("Mounted", f"{known}, as the system said when it was hashed ({mount['observed']})")
    if block is not None:
        out.fact("Write block, as stated", f"{block['statement']} (by {block['by']})")
    for row in checkpoint["exclusions"][:200]:
        out.fact("Left out", f"{row['count']:,} entries: {row['reason']}")
    for notice in checkpoint["notices"][:200]:
        out.fact("Notice", notice)
    return out


def _files(files: Sequence[Mapping[str, Any]]) -> Table:
    def path(f: Mapping[str, Any]) -> str:
        return str(f["path"]) if "path" in f else str(f["path_b"].decode("utf-8", "backslashreplace"))

    def row(_: int, f: Mapping[str, Any]) -> Sequence[str]:
        digest = f["sha256"].hex() if f["sha256"] else f["error"] or "–"
        return (f["kind"], size(f["size"]), path(f), digest)

    def details(n: int) -> list[tuple[str, str]]:
        f = files[n]
        link = f["link"] if f["link"] is not None else f.get("link_b", b"").decode("utf-8", "backslashreplace")
        after = "–" if f["after"] is None else "the same" if f["after"] == f["sha256"] else f["after"].hex()
        return [
            ("Path", path(f)), ("Kind", f["kind"]), ("Size", f"{f['size']:,} bytes"),
            ("SHA-256 at intake", f["sha256"].hex() if f["sha256"] else "–"), ("After the analysis", after),
            ("Link", link or "–"), ("Kind of link", f["link_class"] or "–"),
            ("Changed (file system)", "–" if f["mtime_ns"] is None else when(f["mtime_ns"] // 1_000_000)),
            ("Could not be read", f["error"] or "–"),
        ]  # fmt: skip

    return Table(
        (Column("kind", 7), Column("size", 9, right=True), Column("path", name=True), Column("SHA-256", 18)),
        Rows(files, row), details,
    )  # fmt: skip


def _tensors(rows: Sequence[Any]) -> Table:
    def row(n: int, t: Any) -> Sequence[str]:
        if isinstance(t, Withheld):
            return (f"(item {n} withheld)", "–", "–", "–", t.digest.hex())
        return (t[0], t[1], "×".join(map(str, t[2])) or "scalar", size(t[3]), t[4].hex())

    def details(n: int) -> list[tuple[str, str]]:
        t = rows[n]
        if isinstance(t, Withheld):
            return [("Item", str(n)), ("State", "withheld"), ("Leaf hash", t.digest.hex())]
        return [
            ("Tensor", t[0]), ("Type", t[1]), ("Shape", " × ".join(map(str, t[2])) or "scalar"),
            ("Size", f"{t[3]:,} bytes"), ("SHA-256 of its bytes", t[4].hex()),
        ]  # fmt: skip

    return Table(
        (Column("tensor", name=True), Column("type", 6), Column("shape", 12, right=True), Column("size", 9, right=True),
         Column("SHA-256", 18, least=100)),
        Rows(rows, row), details,
    )  # fmt: skip


def _features(rows: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        (Column("feature", 20), Column("version", 7, right=True), Column("type", 5), Column("shape", 16, right=True),
         Column("made with")),
        Rows(
            rows,
            lambda _, f: (
                f["id"], str(f["version"]), f["dtype"], "×".join(map(str, f["shape"])), one_line(f["params"])[:400],
            ),
        ),
        lambda n: [
            ("Feature", rows[n]["id"]), ("Size", f"{len(rows[n]['data']):,} bytes"),
            ("Tolerance", "–" if rows[n]["tolerance"] is None else str(rows[n]["tolerance"])),
            ("Made with", one_line(rows[n]["params"])),
        ],
    )  # fmt: skip


def _facts(section: Mapping[str, Any]) -> Table:
    return spread_table(section, "The files say nothing of themselves.")


def making_parts(contents: Contents) -> list[Part]:
    """What the bundle was made with."""
    record, tool = contents.sections["selftest"], contents.tool
    failed = sum(c["passed"] is False for c in record["checks"])
    state = "passed" if record["passed"] and not failed else f"FAILED: {failed} of {len(record['checks'])}"
    return [
        Part("tool", "Tool and versions", f"{tool.name} {tool.version}", text=lambda: _tool(contents)),
        Part(
            "selftest", "Self-test of that installation", state,
            "Questions with known answers, asked on the machine that made the bundle, as it says.",
            table=lambda: _selftest(record),
        ),
    ]  # fmt: skip


def _tool(contents: Contents) -> Lines:
    tool, record, out = contents.tool, contents.sections["selftest"], Lines()
    out.line("As the signers state it; this machine cannot check it.").fact("Tool", f"{tool.name} {tool.version}")
    out.fact("SHA-256 over its code", tool.code_sha256.hex()).fact("Python", tool.python).fact("System", tool.os)
    out.fact("Machine, as they call it", tool.host_label)
    out.fact("SHA-256 of its arguments", tool.argv_sha256.hex() if tool.argv_sha256 else "none")
    for name, version in list(tool.libs.items())[:200]:
        out.fact(f"Library {name}", str(version))
    row = contents.sections["norm"]
    out.fact("Norm", f"{row['id']} {row['version']}").fact("SHA-256 of its data", row["digest"].hex())
    return out.fact("Self-test run", f"{when(record['at'])} by {record['tool']} (a claim)")


def _selftest(record: Mapping[str, Any]) -> Table:
    checks = record["checks"]
    said = {True: "passed", False: "FAILED", None: "not run"}
    return Table(
        (Column("check", 30), Column("result", 8), Column("found")),
        Rows(checks, lambda _, c: (c["name"], said[c["passed"]], c["found"])),
        lambda n: [
            ("Check", checks[n]["name"]), ("Result", said[checks[n]["passed"]]), ("Expected", checks[n]["expected"]),
            ("Found", checks[n]["found"]),
        ],
    )  # fmt: skip
