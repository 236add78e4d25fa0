"""One entry with everything that is known of it, as both doors show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.library.entry import Act, Entry, Parent
from mpk_tui.library.reading import Reader

SCHEMA = "mpk-tui/entry/1"
MOST_ACTS = 200
KIND_WORDS = {
    "a": "evidence (a), documentation of the releasing organisation",
    "b": "evidence (b), checkpoint verification",
    "c": "evidence (c), peer-reviewed analysis",
    "": "a claim as where it comes from: no evidence is given",
}


@dataclass(frozen=True)
class Told:
    """An entry in full.

    Attributes:
        folder: The library.
        entry: It; untrusted texts.
        fingerprint: Its fingerprint, whose bytes were checked; untrusted texts.
        acts: Its history, newest first.
        same: Names of other entries with the same root.
    """

    folder: Path
    entry: Entry
    fingerprint: Fingerprint
    acts: tuple[Act, ...]
    same: tuple[str, ...]

    def as_record(self) -> dict[str, Any]:
        """The object of ``mpk-tui library show --json``."""
        return {
            "schema": SCHEMA, "library": str(self.folder), "entry": self.entry.as_record(),
            "same_root": list(self.same), "fingerprint": self.fingerprint.summary(brief=True),
            "history": [a.as_record() for a in self.acts],
        }  # fmt: skip

    def lines(self, moment: Callable[[int], str], size: Callable[[int], str]) -> list[tuple[str, str]]:
        """Facts by name, in the order in which one reads them; an empty name goes on with what stands above.

        Args:
            moment: How a time is written.
            size: How a number of bytes is written.
        """
        e = self.entry
        out = [*_said(e), *_came(e, moment)]
        layers = "" if e.layers is None else f", {e.layers} layers"
        out += [
            ("model", f"{e.format}, {e.family}, {e.scope}"),
            ("size", f"{e.parameters:,} parameters in {e.tensors:,} tensors{layers}"),
            ("tensor root", e.root.hex()),
            ("fingerprint", f"{e.fingerprint.hex()}, {size(e.size)}"),
            ("made by", self.fingerprint.tool),
            ("features", ", ".join(self.fingerprint.features) or "none"),
        ]  # fmt: skip
        if self.same:
            out.append(("same root", ", ".join(self.same)))
        out += [("missing", sentence) for sentence in self.fingerprint.missing]
        said = [f"{a.act} {moment(a.at)} by {a.who}{': ' + a.note if a.note else ''}" for a in self.acts]
        out += [("history" if not n else "", text) for n, text in enumerate(said)]
        return out


def tell(library: Reader, entry: Entry) -> Told:
    """Everything about one entry.

    Raises:
        MpkError: Its fingerprint file is missing or was altered.
    """
    same = tuple(e.name for e in library.by_root(entry.root, revoked=True) if e.id != entry.id)
    acts = tuple(library.acts(MOST_ACTS, entry=entry))
    return Told(library.folder, entry, library.fingerprint(entry), acts, same)


def _said(e: Entry) -> list[tuple[str, str]]:
    f = e.facts
    out = [("name", f.name)]
    if e.revoked:
        out.append(("REVOKED", e.revoked))
    if f.aliases:
        out.append(("aliases", ", ".join(f.aliases)))
    out += [(n, getattr(f, n)) for n in ("source", "licence", "location", "note") if getattr(f, n)]
    for p in f.parents:
        out += _parent(p)
    return out


def _parent(p: Parent) -> list[tuple[str, str]]:
    named = p.name or p.fingerprint.hex() or p.root.hex()
    known = f" (fingerprint {p.fingerprint.hex()[:16]})" if p.fingerprint and p.name else ""
    by = f", mechanism {p.mechanism}" if p.mechanism else ""
    # A parent is called one only where it is documented.
    what = KIND_WORDS[p.kind] if p.documented or not p.kind else f"a claim: kind ({p.kind}) without words and a place"
    out = [("parent" if p.documented else "names", f"{named}{known}{by}; {what}")]
    out += [("", v) for v in (f'"{p.evidence}"' if p.evidence else "", f"source: {p.source}" if p.source else "") if v]
    return out


def _came(e: Entry, moment: Callable[[int], str]) -> list[tuple[str, str]]:
    o = e.origin
    come = f"with the pack {o.pack_name} {o.pack_version} ({o.pack.hex()[:16]})" if o.pack else "here"
    return [("added", f"{moment(e.added_at)} by {e.added_by}, {come}"), *(("issued by", i.hex()) for i in o.issuers)]
