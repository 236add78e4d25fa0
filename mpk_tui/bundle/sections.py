"""The sections of schema 1: which there are, how each is committed to, and what its content looks like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mpk_tui.bundle import limits
from mpk_tui.bundle.commitments import Items, Withheld
from mpk_tui.bundle.manifest import ARTIFACT_ID, Manifest, SectionEntry
from mpk_tui.bundle.schema import (
    Check,
    Reading,
    anything,
    binary,
    boolean,
    choice,
    digest,
    fault,
    integer,
    listing,
    mapping,
    maybe,
    moment,
    number,
    record,
    row,
    text,
)
from mpk_tui.errors import MalformedError
from mpk_tui.records import dataclass

IN_SCOPE = "transformer-lm"
ROLES = ("subject", "reference", "adapter", "tokenizer")
DTYPES = {"<f2": 2, "<f4": 4, "<f8": 8, "<i4": 4, "<i8": 8}

_LONG = text(limits.MANIFEST_BYTES)
_NAME = text(1024)
_ID = text(64, ARTIFACT_ID)
_PAIR = text(160, f"{ARTIFACT_ID}:{ARTIFACT_ID}")
_WORDS = listing(text(128), 256)
_SENTENCES = listing(_LONG, 4096)
_PATH = text(limits.PATH_BYTES)

ARTIFACTS: Check = listing(
    record(
        {"id": _ID, "role": choice(*ROLES), "label": _NAME, "format": text(64), "family": text(64), "scope": text(64),
         "parameters": integer(), "fingerprint": maybe(digest), "complete": boolean}
    ),
    limits.SECTIONS // 8,
    1,
)  # fmt: skip
NORM: Check = record({"id": text(128), "version": text(32), "digest": digest})
FINDINGS: Check = listing(record({"pair": _PAIR, "digest": digest, "record": mapping}), limits.SECTIONS)
EVIDENCE: Check = listing(
    record(
        {"pair": _PAIR, "id": text(128, least=1), "kind": choice("a", "b", "c", "context", "denial"),
         "supports": _WORDS, "opposes": _WORDS, "source": _LONG, "digest": maybe(digest), "locator": _LONG,
         "excerpt": _LONG, "finding": text(64), "record": maybe(digest)}
    ),
    100_000,
)  # fmt: skip
ANSWERS: Check = listing(
    record(
        {"pair": _PAIR, "question": text(16, least=1), "answer": choice("met", "not-met", "undetermined"),
         "proposed": choice("", "met", "not-met", "undetermined"), "reason": _LONG, "evidence": _WORDS,
         "basis": choice("", "common-trained-ancestor", "chain"),
         "hops": listing(row(_NAME, _NAME, text(16)), 64), "direction_documented": boolean, "resolution": _LONG}
    ),
    100_000,
)  # fmt: skip
VERDICT: Check = record(
    {
        "pairs": listing(
            record(
                {"pair": _PAIR, "label": choice("linked", "independent", "none"), "display": text(128),
                 "conditions": _WORDS, "mechanisms": _WORDS, "exclusions": _WORDS, "basis": text(64),
                 "statements": _SENTENCES, "rationale": _LONG, "alternatives": _SENTENCES, "limitations": _SENTENCES,
                 "known_gaps": _WORDS}
            ),
            limits.SECTIONS, 1,
        ),
        "decided_by": _NAME,
        "decided_at": moment,
    }
)  # fmt: skip
_FILE = record(
    {"path": _PATH, "path_b": binary(1, limits.PATH_BYTES), "kind": choice("file", "symlink", "dir", "other"),
     "size": integer(), "sha256": maybe(digest), "after": maybe(digest), "link": maybe(_PATH),
     "link_b": binary(0, limits.PATH_BYTES), "link_class": maybe(text(32)), "mtime_ns": maybe(integer(-(1 << 63))),
     "error": maybe(_NAME)},
    optional=("path", "path_b", "link_b"),
)  # fmt: skip
CHECKPOINT: Check = record(
    {
        "files": listing(_FILE, 1 << 18),
        "mount": record({"read_only": maybe(boolean), "observed": _NAME}),
        "write_block": maybe(record({"statement": _LONG, "by": _NAME})),
        "exclusions": listing(record({"reason": _NAME, "count": integer()}), 1024),
        "notices": _SENTENCES,
    }
)
FACTS: Check = record(
    {"tool": text(256), "config": mapping, "tokenizer": mapping,
     "metadata": listing(row(_PATH, listing(row(_LONG, _LONG), 100_000)), 1 << 18)}
)  # fmt: skip
LOCATIONS: Check = record({"rows": listing(row(integer(), integer()), limits.TENSORS)})
FEATURES: Check = listing(
    record(
        {"id": text(128, least=1), "version": integer(), "params": mapping, "tolerance": maybe(number),
         "dtype": choice(*DTYPES), "shape": listing(integer(), 16), "data": binary(0, limits.BLOB_BYTES)}
    ),
    1024,
)  # fmt: skip
TENSOR: Check = row(text(4096, least=1), text(64), listing(integer(), 64), integer(), digest)
ENTRY: Check = record(
    {"seq": integer(), "at": moment,
     "clock": record({"source": text(128), "utc_offset": integer(-86_400, 86_400), "trusted": boolean}),
     "who": _NAME, "role": text(64), "act": text(64, least=1), "obj": maybe(digest), "tool": text(256),
     "params": mapping, "result": anything, "note": _LONG, "salt": binary(16, 16)}
)  # fmt: skip
SELFTEST: Check = record(
    {"v": integer(), "at": moment, "tool": text(256), "code_sha256": digest, "python": text(64),
     "libs": mapping, "os": text(256), "passed": boolean,
     "checks": listing(
         record({"name": text(128, least=1), "expected": _NAME, "found": _NAME, "passed": maybe(boolean)}), 1024, 1)}
)  # fmt: skip
NOTES: Check = listing(record({"at": moment, "who": _NAME, "text": _LONG}), 100_000)
DOCS: Check = listing(
    record(
        {"id": text(64), "name": _NAME, "media_type": text(256), "sha256": digest, "size": integer(),
         "supplied_by": _NAME, "supplied_at": maybe(moment), "relation": _NAME}
    ),
    limits.SECTIONS,
)  # fmt: skip


@dataclass(frozen=True)
class Family:
    """How sections of one name are written.

    Attributes:
        kind: ``blob``, ``merkle`` or ``chain``.
        per: ``artifact``, ``document`` or nothing: what the part after the dot names.
        check: Shape of the content; of one item for merkle and chain; None for bytes that are not looked into.
        required: Must be in the manifest (once, or once for each artifact).
        salted: Committed to with a salt.
        redactable: May be withheld.
    """

    kind: str
    check: Check | None
    per: str = ""
    required: bool = False
    salted: bool = False
    redactable: bool = False


FAMILIES: Mapping[str, Family] = {
    "artifacts": Family("blob", ARTIFACTS, required=True),
    "norm": Family("blob", NORM, required=True),
    "checkpoint": Family("blob", CHECKPOINT, "artifact", required=True),
    "tensors": Family("merkle", TENSOR, "artifact", required=True, redactable=True),
    "facts": Family("blob", FACTS, "artifact", required=True, redactable=True),
    "locations": Family("blob", LOCATIONS, "artifact", redactable=True),
    "features": Family("blob", FEATURES, "artifact", redactable=True),
    "findings": Family("blob", FINDINGS, required=True, redactable=True),
    "evidence": Family("blob", EVIDENCE, required=True, salted=True, redactable=True),
    "answers": Family("blob", ANSWERS, required=True, salted=True, redactable=True),
    "verdict": Family("blob", VERDICT, required=True, salted=True, redactable=True),
    "log": Family("chain", ENTRY, required=True, redactable=True),
    "selftest": Family("blob", SELFTEST, required=True),
    "notes": Family("blob", NOTES, salted=True, redactable=True),
    "docs": Family("blob", DOCS, redactable=True),
    "doc": Family("blob", None, "document", redactable=True),
}
TYPE_VERSION = 1


def type_of(family: str) -> str:
    """The ``type`` of a section in the manifest."""
    return f"{family}/{TYPE_VERSION}"


def check_manifest(manifest: Manifest) -> tuple[str, ...]:
    """Hold the manifest's list of sections against the table.

    Returns:
        Ids of sections that this reader does not know (only under a newer minor version).

    Raises:
        MalformedError: A required section is missing, or one is declared in another way than the table says.
    """
    unknown = []
    for entry in manifest.sections:
        where = f"manifest.sections.{entry.id}"
        family = FAMILIES.get(entry.family)
        if family is None:
            if not manifest.newer:
                raise MalformedError("unknown section", where=where)
            unknown.append(entry.id)
            continue
        if bool(entry.suffix) != bool(family.per):
            raise MalformedError(
                f"a section {entry.family!r} {'needs' if family.per else 'has no'} suffix", where=where
            )
        declared = (entry.kind, entry.salted, entry.redactable, entry.type)
        if declared != (family.kind, family.salted, family.redactable, type_of(entry.family)):
            raise MalformedError("is not declared as schema 1 says", where=where)
    for name, family in FAMILIES.items():
        if family.required and not family.per and manifest.section(name) is None:
            raise MalformedError(f"section {name!r} is missing", where="manifest.sections")
    return tuple(unknown)


def check_content(entry: SectionEntry, value: Any, reading: Reading) -> None:
    """Check the shape of a known section's content.

    Args:
        entry: Its manifest entry.
        value: Decoded content, or `Items` for merkle and chain.
        reading: Collects unknown fields of a newer minor version.
    """
    family = FAMILIES[entry.family]
    if family.check is None:
        return
    if isinstance(value, Items):
        for n, item in enumerate(value.values):
            if not isinstance(item, Withheld):
                family.check(item, f"{entry.id}[{n}]", reading)
    else:
        family.check(value, entry.id, reading)
    extra = _RULES.get(entry.family)
    if extra is not None:
        extra(entry.id, value)


def _unique(where: str, keys: list[Any], what: str) -> None:
    if len(set(keys)) != len(keys):
        raise MalformedError(f"one {what} twice", where=where)


def _artifacts(where: str, value: list[dict[str, Any]]) -> None:
    _unique(where, [a["id"] for a in value], "artifact id")


def _findings(where: str, value: list[dict[str, Any]]) -> None:
    _unique(where, [f["digest"] for f in value], "comparison")


def _evidence(where: str, value: list[dict[str, Any]]) -> None:
    _unique(where, [(e["pair"], e["id"]) for e in value], "evidence id")


def _answers(where: str, value: list[dict[str, Any]]) -> None:
    _unique(where, [(a["pair"], a["question"]) for a in value], "answer")


def _verdict(where: str, value: dict[str, Any]) -> None:
    _unique(where, [p["pair"] for p in value["pairs"]], "pair")


def _checkpoint(where: str, value: dict[str, Any]) -> None:
    seen = []
    for n, entry in enumerate(value["files"]):
        if ("path" in entry) == ("path_b" in entry):
            raise MalformedError("needs either path or path_b", where=f"{where}.files[{n}]")
        if "path_b" in entry and _is_text(entry["path_b"]):
            raise MalformedError("path_b is for names that are not UTF-8", where=f"{where}.files[{n}]")
        if "link_b" in entry and (entry["link"] is not None or _is_text(entry["link_b"])):
            raise MalformedError(
                "link_b is for links that are not UTF-8, beside a link of nil", where=f"{where}.files[{n}]"
            )
        seen.append(entry.get("path_b", entry.get("path")))
    _unique(f"{where}.files", seen, "path")


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _tensors(where: str, value: Items) -> None:
    # Names ascend, so that one set of tensors has one root; withheld leaves keep their places.
    last: bytes | None = None
    for n, item in enumerate(value.values):
        if isinstance(item, Withheld):
            continue
        name = item[0].encode("utf-8")
        if last is not None and name <= last:
            raise MalformedError("tensor names twice or out of order", where=f"{where}[{n}]")
        last = name


def _features(where: str, value: list[dict[str, Any]]) -> None:
    _unique(where, [f["id"] for f in value], "feature id")
    for n, f in enumerate(value):
        elements = 1
        for d in f["shape"]:
            elements *= d
        if elements * DTYPES[f["dtype"]] != len(f["data"]):
            raise fault(f"{where}[{n}].data", "bytes that fill the shape", f["data"])


def _docs(where: str, value: list[dict[str, Any]]) -> None:
    _unique(where, [d["id"] for d in value], "document id")


_RULES: Mapping[str, Callable[[str, Any], None]] = {
    "artifacts": _artifacts, "findings": _findings, "evidence": _evidence, "answers": _answers, "verdict": _verdict,
    "checkpoint": _checkpoint, "tensors": _tensors, "features": _features, "docs": _docs,
}  # fmt: skip
