"""How often a scan was right: top-1 of descendants, claims where every relative was left out, findings by what is at hand.

    python -m tests.zoo.scan_score OUT [--more FOLDER TABLE]… [--mode fingerprint|weights] [--pairs] [--misses]

OUT is a zoo from `tests.zoo.train`; FOLDER holds further models and TABLE says of each what it was made from: lines of
``name <tab> parents separated by commas``; parents need not be there.  All models are fingerprinted once into a library
(OUT/scan-library), and then every model is looked up in parts of it:

* **ancestors**: all that are not related to it, and of its relatives only what it was made from, step by step.  Right
  is a scan whose first row is an ancestor; it may say what it found or that this is not resolved.
* **left out**: all that are not related to it, runs from the same initialisation included.  No finding may say that
  something trained is shared.

Two models are related if they share a trained ancestor or one is the other's; truth follows from how they were made.
A student from a random initialisation is neither related nor unrelated to its teacher, so that the teacher's family is
left out of its libraries.

With ``--pairs`` the pairs of OUT/pairs.tsv are compared three times: weights with weights, weights with a fingerprint, a
fingerprint with a fingerprint.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpk_tui.library.catalogue import Catalogue, open_library
from mpk_tui.library.entry import Entry, Facts
from mpk_tui.library.judging import CLAIMS
from mpk_tui.library.scan import scan
from mpk_tui.lineage.compare import judge_sides
from mpk_tui.lineage.sides import Side, open_side
from mpk_tui.progress import CancelToken, silent

from .truth import KINDS, WITH_BASE

SEVERAL = frozenset({"perm_both", "perm_units_channels", "perm_units_residual_channels"})


@dataclass
class World:
    """Models and what they were made from.

    Attributes:
        folder: Of each model.
        parents: Of each model; a parent need not be there.
        undecidable: Models whose teachers weights cannot show.
        concealment: How a model was hidden, or ``none``.
    """

    folder: dict[str, Path] = field(default_factory=dict)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    undecidable: dict[str, str] = field(default_factory=dict)
    concealment: dict[str, str] = field(default_factory=dict)

    def line(self, name: str) -> frozenset[str]:
        """A model and everything it was made from."""
        return frozenset({name}).union(*(self.line(p) for p in self.parents.get(name, ())))

    def related(self, a: str, b: str) -> bool:
        """Whether they share something trained."""
        return bool(self.line(a) & self.line(b))


def zoo(out: Path) -> World:
    """The models of a zoo."""
    world = World()
    for path in sorted(out.glob("*/tokenizer.json")):
        name = path.parent.name
        base, _, kind = name.partition(".")
        if kind.endswith("0000"):
            continue  # an initialisation: nothing trained
        world.folder[name] = path.parent
        hidden = WITH_BASE.get(kind, ("", "", "none"))[2]
        world.concealment[name] = "several" if kind in SEVERAL else "none" if hidden in ("none", "noise") else "one"
        if kind.startswith("step"):
            world.parents[name] = tuple(
                p.parent.name for p in out.glob(f"{base}.step*/tokenizer.json")
                if p.parent.name < name and not p.parent.name.endswith("0000")
            )  # fmt: skip
            continue
        key, seed = base.rsplit("-", 1)
        other = f"{key}-{int(seed) % 3 + 1}"
        made = KINDS[kind][0] if kind in KINDS else ()
        if kind == "kd_random":
            world.undecidable[name] = base
            made = ()
        world.parents[name] = tuple(other if p == "+" else f"{base}.{p}" if p else base for p in made)
        if not kind:
            world.parents[name] = tuple(
                p.parent.name for p in out.glob(f"{base}.step*/tokenizer.json")
                if not p.parent.name.endswith("0000")
            )  # fmt: skip
    return world


def more(world: World, folder: Path, table: Path) -> None:
    """Further models and their parents."""
    for line in table.read_text(encoding="utf-8").splitlines():
        name, _, parents = line.partition("\t")
        if not name.strip():
            continue
        world.parents[name] = tuple(p.strip() for p in parents.split(",") if p.strip() and p.strip() != "?")
        world.concealment[name] = "none"
        if (folder / name).exists():
            world.folder[name] = folder / name
        if "?" in parents:
            world.undecidable[name] = parents.split(",")[-1].strip().lstrip("?")


class Part:
    """A library of which only some entries are there: what `scan` asks of a catalogue, the rest left out."""

    def __init__(self, whole: Catalogue, keep: Collection[str]) -> None:
        self._whole, self.folder = whole, whole.folder
        self._kept = {e.id: e for e in whole.entries() if e.name in keep}
        self.moment = whole.moment

    def census(self) -> tuple[int, int, bytes]:
        return len(self._kept), 0, b"\0" * 32

    def entries(self) -> Iterator[Entry]:
        return iter(self._kept.values())

    def by_id(self, number: int) -> Entry:
        return self._kept[number]

    def by_root(self, root: bytes, *, revoked: bool = False) -> list[Entry]:
        return [e for e in self._whole.by_root(root) if e.id in self._kept]

    def by_files(self, digests: Iterable[bytes], *, revoked: bool = False) -> dict[int, list[tuple[str, bytes]]]:
        return {i: v for i, v in self._whole.by_files(digests).items() if i in self._kept}

    def by_tensors(self, digests: Iterable[bytes], *, revoked: bool = False) -> dict[int, int]:
        return {i: v for i, v in self._whole.by_tensors(digests).items() if i in self._kept}

    def screens(self, keys: Collection[str] | None = None) -> Iterator[tuple[int, str, int, bytes]]:
        return (row for row in self._whole.screens(keys) if row[0] in self._kept)

    def fingerprint(self, entry: Entry) -> Any:
        return self._whole.fingerprint(entry)

    def path(self, entry: Entry) -> Path:
        return self._whole.path(entry)


def filled(world: World, library: Path) -> None:
    """Fingerprint what is not in the library yet."""
    with open_library(library, write=True, create=True) as catalogue:
        there = {e.name for e in catalogue.entries()}
        for name, folder in world.folder.items():
            if name in there:
                continue
            with open_side(folder, silent, CancelToken()) as side:
                known = catalogue.known(side.fingerprint.digest)
                if known is None:
                    catalogue.add([(side.fingerprint, Facts(name))], who="score", at=0)
                else:
                    print(f"{name} has the fingerprint of {known.name}", flush=True)


@dataclass(frozen=True)
class Row:
    """One scan."""

    query: str
    protocol: str
    first: str
    finding: str
    claimed: tuple[str, ...]
    sources: tuple[tuple[str, tuple[str, ...]], ...]
    right: bool
    worth: int
    compared: int
    entries: int
    seconds: float


def run(world: World, library: Path, mode: str, only: str = "") -> list[Row]:
    """Every model under both protocols."""
    rows = []
    with open_library(library) as catalogue:
        names = [e.name for e in catalogue.entries()]
        entries = {e.name: e for e in catalogue.entries()}
        for q in names:
            if only and not q.startswith(only):
                continue
            teacher = world.undecidable.get(q)
            strangers = {
                n for n in names if n != q and not world.related(n, q)
                and not (teacher and world.related(n, teacher))
                and not (n in world.undecidable and world.related(q, world.undecidable[n]))
            }  # fmt: skip
            ancestors = (world.line(q) - {q}) & set(names)
            with ExitStack() as opened:
                if mode == "weights":
                    query = opened.enter_context(open_side(world.folder[q], silent, CancelToken()))
                else:
                    query = Side(q, catalogue.fingerprint(entries[q]), None)
                if ancestors:
                    rows.append(_one(catalogue, query, q, "ancestors", strangers | ancestors, ancestors))
                rows.append(_one(catalogue, query, q, "left out", strangers, set()))
            print(f"{q}: {rows[-1].seconds:.1f} s", file=sys.stderr, flush=True)
    return rows


def _one(catalogue: Catalogue, query: Side, q: str, protocol: str, keep: set[str], right: Collection[str]) -> Row:
    began = time.perf_counter()
    part: Any = Part(catalogue, keep)
    r = scan(part, query)
    found = [(row["entry"]["name"], row["finding"]) for row in r["relatives"]]
    first, finding = found[0] if found else ("", "")
    claimed = tuple(name for name, f in found if f in CLAIMS)
    return Row(
        q, protocol, first, finding, claimed,
        tuple((s["kind"], tuple(o["name"] for o in s["of"])) for s in r["sources"]), first in right, r["screened"]["worth"], r["compared"],
        r["library"]["entries"], time.perf_counter() - began,
    )  # fmt: skip


def page(world: World, rows: list[Row], mode: str, misses: bool) -> str:
    """The tables, as Markdown."""
    out = [f"\n### Scans with a {'checkpoint' if mode == 'weights' else 'fingerprint'} as the query\n"]
    out += [
        "| concealment | descendants | top-1 an ancestor | trained ancestor or part established | origin shared, not "
        "resolved | missed | wrong |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    asked = [r for r in rows if r.protocol == "ancestors"]
    for kind in ("none", "one", "several", "all"):
        mine = [r for r in asked if kind in ("all", world.concealment[r.query])]
        if not mine:
            continue
        right = [r for r in mine if r.right]
        sure = sum(r.finding in CLAIMS for r in right)
        missed = sum(not r.first for r in mine)
        wrong = sum(bool(r.first) and not r.right for r in mine)
        out.append(
            f"| {kind} | {len(mine)} | {len(right)} ({len(right) / len(mine):.1%}) | {sure} | {len(right) - sure} | "
            f"{missed} | {wrong} |"
        )
    left = [r for r in rows if r.protocol == "left out"]
    said = Counter(r.finding or "nothing" for r in left)
    entries = sorted(r.entries for r in left) or [0]
    out += [
        "",
        f"Relatives left out: {len(left)} models, {entries[0]} to {entries[-1]} entries each; something trained claimed: "
        f"**{sum(bool(r.claimed) for r in left)}**. First rows: "
        + ", ".join(f"{n} × {f}" for f, n in said.most_common()) + ".",
        f"In the libraries with ancestors: claims on models that are not related: "
        f"**{sum(not world.related(r.query, c) for r in asked for c in r.claimed)}** of "
        f"{sum(len(r.claimed) for r in asked)} claims.",
        f"Worth a comparison by the screen, where relatives were left out: {sum(r.worth for r in left)} of "
        f"{sum(r.entries for r in left)} entries (runs of one seed included); compared in full {sum(r.compared for r in left)}.",
    ]  # fmt: skip
    merges = [r for r in asked if len(world.parents[r.query]) > 1 and not r.query.split(".")[-1].startswith("step")]
    merges = [r for r in merges if "." in r.query]
    seen = [r for r in merges if any(set(names) == set(world.parents[r.query]) for _, names in r.sources)]
    false = [r.query for r in rows if r not in merges and r.sources]
    out.append(f"Merges of several parents whose parents are all named as sources, and no other: {len(seen)} of {len(merges)}; "
               f"sources named for models that are no merges: **{len(false)}** of {len(rows) - len(merges)} scans.")  # fmt: skip
    if misses:
        out += [f"- sources: {r.query}: {r.sources}" for r in rows if r.sources or r in merges]
        for r in rows:
            if (r.protocol == "ancestors" and not r.right) or (r.protocol == "left out" and r.claimed):
                out.append(f"- {r.protocol}: {r.query}: {r.first or 'nothing'} {r.finding} {list(r.claimed)}")
    return "\n".join(out)


def screen_losses(world: World, library: Path) -> str:
    """Related pairs with a correlation of 0.2 or more that the screen would lose, and unrelated ones that it keeps."""
    from mpk_tui.library.screen import screens_of
    from mpk_tui.library.search import WORTH, look

    lost, kept, related, strangers, false = [], 0, 0, 0, 0
    with open_library(library) as catalogue:
        entries = {e.name: e for e in catalogue.entries()}
        sides = {n: Side(n, catalogue.fingerprint(e), None) for n, e in entries.items()}
        rows = list(catalogue.screens())
        names = {e.id: n for n, e in entries.items()}
        for a, side in sides.items():
            seen = {names[i]: s for i, s in look(screens_of(side.fingerprint), rows).items()}
            for b in sides:
                if b <= a or b not in seen:
                    continue
                seed = a.split(".")[0].split("-")[-1] == b.split(".")[0].split("-")[-1]
                if not world.related(a, b):
                    if not seed:
                        strangers += 1
                        false += seen[b].score >= WORTH
                    continue
                if seen[b].score >= WORTH:
                    related, kept = related + 1, kept + 1
                    continue
                measured, _ = judge_sides(side, sides[b])
                rho = max((t.rho for t in measured.tests if t.ran), default=0.0)
                if rho >= 0.2:
                    related += 1
                    lost.append((a, b, round(rho, 2), round(seen[b].score, 1)))
    return (
        f"\nScreen: {kept} of {related} related pairs with a correlation of 0.2 or more kept; lost {lost or 'none'}. "
        f"Unrelated pairs of other seeds that it found worth a comparison: {false} of {strangers}.\n"
    )


def three_ways(world: World, out: Path, library: Path) -> str:
    """Findings on the pairs of the zoo by what is at hand."""
    lines = (out / "pairs.tsv").read_text(encoding="utf-8").splitlines()
    head = lines[0].split("\t")
    pairs = [dict(zip(head, line.split("\t"), strict=False)) for line in lines[1:]]
    pairs = [p for p in pairs if p["a"] in world.folder and p["b"] in world.folder]
    tally: dict[str, Counter[str]] = {
        way: Counter() for way in ("weights/weights", "weights/fingerprint", "fingerprint/fingerprint")
    }
    with open_library(library) as catalogue, ExitStack() as opened:
        entries = {e.name: e for e in catalogue.entries()}
        open_: dict[str, Side] = {}

        def weights(name: str) -> Side:
            if name not in open_:
                open_[name] = opened.enter_context(open_side(world.folder[name], silent, CancelToken()))
            return open_[name]

        def stored(name: str) -> Side:
            return Side(name, weights(name).fingerprint, None)

        for p in pairs:
            ways = {
                "weights/weights": (weights(p["a"]), weights(p["b"])),
                "weights/fingerprint": (weights(p["b"]), stored(p["a"])),
                "fingerprint/fingerprint": (stored(p["b"]), stored(p["a"])),
            }
            for way, (a, b) in ways.items():
                finding = judge_sides(a, b)[1].name
                truth, hidden = p["truth"], p.get("concealment", "none")
                kind = "none" if hidden in ("none", "noise", "") else "several" if " and " in hidden else "one"
                if truth in ("linked", "component"):
                    group = f"linked, {kind}"
                    tally[way][f"{group}: found"] += finding in CLAIMS
                    tally[way][f"{group}: unresolved"] += finding == "common-origin-unresolved"
                    tally[way][f"{group}: called shared initialisation"] += finding == "shared-initialisation"
                    tally[way][group] += 1
                else:
                    tally[way][f"{truth}: claimed"] += finding in CLAIMS
                    tally[way][truth] += 1
        del entries
    out_ = ["\n### Pairs by what is at hand\n", "| | " + " | ".join(tally) + " |", "| --- |" + " ---: |" * len(tally)]

    def cell(t: Counter[str], group: str, what: str) -> str:
        return f"{t[f'{group}: {what}']} of {t[group]}"

    for group, what in (
        ("independent", "claimed"), ("undecidable", "claimed"), ("linked, none", "found"), ("linked, none", "unresolved"),
        ("linked, none", "called shared initialisation"), ("linked, one", "found"), ("linked, one", "unresolved"),
        ("linked, several", "found"), ("linked, several", "unresolved"),
    ):  # fmt: skip
        out_.append(f"| {group}: {what} | " + " | ".join(cell(t, group, what) for t in tally.values()) + " |")
    return "\n".join(out_)


def main() -> None:
    """Score, and print the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--more", nargs=2, action="append", default=[], type=Path, metavar=("FOLDER", "TABLE"))
    parser.add_argument("--mode", choices=["fingerprint", "weights", "both", "none"], default="fingerprint")
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--screen", action="store_true")
    parser.add_argument("--only", default="", help="queries whose name begins so")
    parser.add_argument("--misses", action="store_true")
    args = parser.parse_args()
    world = zoo(args.out)
    for folder, table in args.more:
        more(world, folder, table)
    library = args.out / "scan-library"
    filled(world, library)
    print(f"{len(world.folder)} models", flush=True)
    for mode in ("fingerprint", "weights") if args.mode == "both" else (args.mode,) if args.mode != "none" else ():
        print(page(world, run(world, library, mode, args.only), mode, args.misses), flush=True)
    if args.screen:
        print(screen_losses(world, library), flush=True)
    if args.pairs:
        print(three_ways(world, args.out, library), flush=True)


if __name__ == "__main__":
    main()
