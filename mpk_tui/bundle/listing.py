"""Everything in a bundle, section by section: lines for people and a plain record for scripts."""

from __future__ import annotations

from typing import Any

from mpk_tui.bundle.commitments import Withheld
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.custody import chronicle, taken
from mpk_tui.bundle.wording import when

_WITHHELD = "(withheld)"


def plain(value: Any) -> Any:
    """A section's content as JSON can hold it: bytes as hex, what is withheld as its digest."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Withheld):
        return {"withheld": value.digest.hex()}
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def sections_record(contents: Contents) -> dict[str, Any]:
    """All sections by id; attachments are left out, their index names them."""
    return {name: plain(v) for name, v in contents.sections.items() if not isinstance(v, bytes)}


def lines(contents: Contents) -> list[str]:
    """Answers, evidence, files, log, notes and documents as lines."""
    out: list[str] = []
    for row in contents.sections.get("answers", ()):
        proposed = f" (proposed: {row['proposed']})" if row["proposed"] else ""
        cited = f" [{', '.join(row['evidence'])}]" if row["evidence"] else ""
        out.append(
            f"answer   {row['pair']} {row['question'].upper()}: {row['answer']}{proposed}{cited} {row['reason']}"
        )
    for row in contents.sections.get("evidence", ()):
        about = ", ".join(x.upper() for x in row["supports"])
        against = ", ".join(x.upper() for x in row["opposes"])
        out.append(
            f"evidence {row['pair']} {row['id']} ({row['kind']}){f' for {about}' if about else ''}"
            f"{f' against {against}' if against else ''}: "
            + "; ".join(t for t in (row["source"], row["locator"], f"“{row['excerpt']}”" * bool(row["excerpt"])) if t)
        )
    for artifact in contents.artifacts:
        name = artifact["id"]
        for row in contents.sections.get(f"checkpoint.{name}", {}).get("files", ()):
            path = row["path"] if "path" in row else repr(row["path_b"])
            digest = row["sha256"].hex() if row["sha256"] else row["kind"].ljust(64)
            out.append(f"file     {name} {digest}  {path}")
        tensors = contents.sections.get(f"tensors.{name}")
        if tensors is not None:
            out.append(f"tensors  {name}: {len(tensors)}")
    log = contents.sections.get("log", ())
    told = {r.seq: r.sentence for r in (*chronicle(log), *taken(log))}
    for n, entry in enumerate(log):
        if isinstance(entry, Withheld):
            out.append(f"log      {n} {_WITHHELD}")
        else:
            said = told.get(entry["seq"], entry["note"])
            out.append(f"log      {n} {when(entry['at'])} {entry['who']}: {entry['act']} {said}".rstrip())
    for row in contents.sections.get("notes", ()):
        out.append(f"note     {when(row['at'])} {row['who']}: {row['text']}")
    for row in contents.sections.get("docs", ()):
        out.append(
            f"document {row['id']} {row['sha256'].hex()} {row['size']} bytes, {row['name']!r}: {row['relation']}"
        )
    return out
