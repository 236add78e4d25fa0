"""JSON Schemas of what commands print with ``--json`` and of the norm's data file, and the bundle's shapes in CDDL.

``python -m mpk_tui.report.schemas DIR`` writes them; a test holds the files against this module and the commands'
real output against the files.  Dialect: JSON Schema 2020-12.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mpk_tui.lineage.findings import FINDINGS
from mpk_tui.report import (
    cddl,
    document_json,
    family_files,
    shapes_case,
    shapes_kit,
    shapes_leads,
    shapes_library,
    shapes_packs,
    shapes_scan,
    shapes_sweep,
)
from mpk_tui.report.shapes import BOOL, COUNT, HEX, INT, NUM, STR, P, Schema, choice, listing, maybe, record
from mpk_tui.report.shapes_profile import PROFILE


def _named(name: str, title: str, schema: Schema) -> Schema:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{name}: {title}", **schema}


FEATURE = record(
    {"id": STR, "version": INT, "params": {"type": "object"}, "dtype": STR, "shape": listing(COUNT), "sha256": HEX}
)
FILE = record(
    {"path": STR, "kind": choice("file", "symlink", "dir", "other"), "size": COUNT, "sha256": maybe(HEX),
     "link": maybe(STR), "link_class": maybe(STR)}
)  # fmt: skip
TENSOR = record({"name": STR, "dtype": STR, "shape": listing(COUNT), "bytes": COUNT, "sha256": HEX})
FINGERPRINT = record(
    {
        "schema": {"const": "mpk-tui/fingerprint/1"}, "tool": STR, "fingerprint": HEX, "format": STR, "family": STR,
        "scope": STR, "parameters": COUNT, "root": HEX, "tensor_count": COUNT, "config": {"type": "object"},
        "tokenizer": {"type": "object"}, "metadata": {"type": "object"}, "files": listing(FILE),
        "features": listing(FEATURE), "notices": listing(STR), "tensors": listing(TENSOR),
    },
    optional=("tensors",),
)  # fmt: skip

_SIDE = record(
    {
        "label": STR, "kind": choice("checkpoint", "fingerprint"), "format": STR, "family": STR, "scope": STR,
        "parameters": COUNT, "tensors": COUNT, "root": HEX, "fingerprint": HEX, "missing": listing(STR),
    },
    optional=("missing",),
)  # fmt: skip
_LAYER = record(
    {
        "a": INT, "b": INT, "expert_a": INT, "expert_b": INT, "z": NUM, "p": P,
        "rho": {"type": "number", "minimum": -1.001, "maximum": 1.001},
        "p_is_bound": BOOL, "units": COUNT, "role": STR, "a_in_b": maybe(NUM), "b_in_a": maybe(NUM),
        "a_stands_out": COUNT, "b_stands_out": COUNT,
    },
    optional=(
        "expert_a", "expert_b", "z", "rho", "p", "p_is_bound", "units", "role", "a_in_b", "b_in_a", "a_stands_out",
        "b_stands_out",
    ),
)  # fmt: skip
_TEST = record(
    {
        "name": STR, "family": STR, "statement": STR, "assumption": STR, "basis": STR, "ran": BOOL, "reason": STR,
        "source": STR, "p": P, "p_is_bound": BOOL, "z": maybe(NUM), "rho": maybe(NUM), "parameters": {"type": "object"},
        "layers": listing(_LAYER), "reading": choice("for", "against", "seed", "abstains"), "shared": NUM,
        "gain_spread": listing(maybe(NUM)),
        "directions": listing(
            record({"of": choice("a", "b"), "counts": BOOL, "ratio": maybe(NUM), "lower_quartile": maybe(NUM),
                    "upper_quartile": maybe(NUM), "top": NUM, "rest": NUM, "matrices": COUNT})
        ),
    },
    optional=("reading", "shared", "gain_spread", "directions"),
)  # fmt: skip
_SCORE = record(
    {
        "name": STR, "what": STR, "value": maybe(NUM), "reason": STR, "independent_low": maybe(NUM),
        "independent_high": maybe(NUM), "independent_pairs": COUNT, "independent_source": STR,
        "same_seed_low": maybe(NUM), "same_seed_high": maybe(NUM), "sentence": STR,
    }
)  # fmt: skip
_ANSWER: dict[str, Schema] = {"answer": choice("met", "not-met", "undetermined"), "basis": STR, "reason": STR}
COMPARE = record(
    {
        "schema": {"const": "mpk-tui/compare/1"},
        "tool": {"type": "object", "required": ["name", "version"]},
        "a": _SIDE,
        "b": _SIDE,
        "finding": choice(*FINDINGS),
        "sentence": STR,
        "p": P,
        "p_is_bound": BOOL,
        "families": COUNT,
        "comparisons": COUNT,
        "tests": listing(_TEST),
        "identity": record(
            {
                "pairs": COUNT, "equal": COUNT, "converted": COUNT, "unread": COUNT, "renamed": COUNT,
                "conversions": listing(STR), "lossless": BOOL, "only_a": listing(STR), "only_b": listing(STR),
                "ignored": listing(STR),
                "differing": listing(
                    record({"a": STR, "b": STR, "role": STR, "layer": INT, "state": choice("different", "reshaped"),
                            "elements": COUNT, "changed": maybe(COUNT), "relative": maybe(NUM), "cosine": maybe(NUM)})
                ),
            }
        ),
        "components": listing(
            record({"name": STR, "kind": STR, "finding": choice(*FINDINGS), "sentence": STR, "p": P, "p_is_bound": BOOL,
                    "rho": NUM, "layers": listing(listing(STR)), "equal": listing(STR),
                    "retention": maybe({"type": "object"})})
        ),
        "others": listing(_SIDE),
        "repeats": record({"a": listing(listing(COUNT)), "b": listing(listing(COUNT))}),
        "trajectory": maybe(
            record({"reading": choice("descendant", "sibling", "abstains"), "reason": STR,
                    "points": listing(record({"label": STR, "root": HEX, "with_a": NUM, "with_b": NUM}))})
        ),
        "merge": maybe({"type": "object"}),
        "untouched": maybe(
            record({"matrices": COUNT, "equal": NUM, "expected": NUM, "ratio": NUM, "rows": COUNT, "rows_equal": COUNT,
                    "rows_scaled": COUNT, "scale": NUM, "one_scale": BOOL, "sentence": STR})
        ),
        "mechanisms": listing(
            record({"number": STR, "title": STR, "for": listing(STR), "against": listing(STR), "direction": STR,
                    "numbers": {"type": "object"}})
        ),
        "proposal": record(
            {
                "conditions": record({c: record(_ANSWER) for c in ("c1", "c2", "c3", "c4", "c5")}),
                "mechanisms": listing(STR),
                "exclusions": listing(record({"number": STR, **_ANSWER})),
                "sentence": STR,
            }
        ),
        "context": listing(_SCORE),
        "profile": PROFILE,
        "limits": listing(STR),
        "notices": listing(STR),
    },
    optional=("profile", "comparisons"),
)  # fmt: skip

_LISTS = record(
    {k: COUNT if k == "same" else listing(STR) for k in ("same", "changed", "missing", "extra", "not_comparable")}
)
_VERDICT: dict[str, Schema] = {
    "label": choice("linked", "independent", "none"), "display": STR, "conditions": listing(STR),
    "mechanisms": listing(STR), "exclusions": listing(STR), "basis": STR, "statements": listing(STR),
}  # fmt: skip
_SUPPORT = record(
    {"artifact": maybe(STR), "supports": BOOL, "sentence": STR, "tolerance": NUM,
     "distances": {"type": "object", "additionalProperties": NUM}}
)  # fmt: skip
_AGAIN = record(
    {
        "name": STR, "state": choice("repeated", "not-repeated", "new", "neither"), "same_data": BOOL,
        **{f"{of}_{n}": maybe(NUM) for of in ("signed", "found") for n in ("p", "z", "rho")},
        "signed_reading": STR, "found_reading": STR, "reason": STR,
    }
)  # fmt: skip
_REVIEW = record(
    {"seq": COUNT, "at": INT, "who": STR, "outcome": STR, "pair": STR, "text": STR, "verdict": STR, "stale": BOOL}
)
VERIFY = record(
    {
        "schema": {"const": "mpk-tui/verify/1"},
        "verdict": choice(
            "VALID", "PARTIAL", "UNTRUSTED", "EXPIRED", "REVOKED", "REPLAY", "ALTERED", "MISMATCH", "INCONSISTENT",
            "MALFORMED", "LIMIT", "UNSUPPORTED", "INTERNAL",
        ),
        "code": COUNT,
        "words": STR,
        "meaning": STR,
        "bundle": maybe(HEX),
        "trust_dated": maybe(INT),
        "trust_store": maybe(
            record({"number": COUNT, "id": HEX, "expires": INT, "root": HEX, "given": BOOL, "stale_allowed": BOOL})
        ),
        "case": maybe(
            record({"id": STR, "exhibit": STR, "root_exhibit": STR, "title": STR, "authority": STR, "purpose": STR,
                    "seq": COUNT, "prev": maybe(HEX), "created": INT, "tool": STR})
        ),
        "signers": listing(
            record({"id": STR, "role": STR, "keys": listing(HEX), "state": STR, "person": STR, "reason": STR})
        ),
        "sections": listing(
            record({"id": STR, "kind": choice("blob", "merkle", "chain"), "size": COUNT, "count": COUNT, "state": STR,
                    "withheld": COUNT, "reason": STR})
        ),
        "endorsements": listing(
            record({"kind": STR, "at": INT, "id": STR, "role": STR, "state": STR, "person": STR, "statement": STR,
                    "detail": STR, "keys": listing(HEX)})
        ),
        "pairs": listing(
            record(
                {
                    "pair": STR,
                    "recomputed": maybe(record(_VERDICT)),
                    "signed": maybe(
                        record({**_VERDICT, "pair": STR, "rationale": STR, "alternatives": listing(STR),
                                "limitations": listing(STR), "known_gaps": listing(STR)})
                    ),
                    "agrees": maybe(BOOL),
                }
            )
        ),
        "custody": listing(
            record({"seq": COUNT, "at": INT, "who": STR, "act": STR, "artifact": STR, "text": STR,
                    "fields": {"type": "object", "additionalProperties": STR}})
        ),
        "reviews": listing(_REVIEW),
        "contradictions": listing(STR),
        "notices": listing(STR),
        "checkpoint": listing(
            record({"path": STR, "artifact": maybe(STR), "result": STR, "sentence": STR, "weights": STR, "folder": STR,
                    "tensors": _LISTS, "files": _LISTS, "notices": listing(STR), "features": maybe(_SUPPORT)})
        ),
        "earlier": listing(
            record({"path": STR, "verdict": STR, "bundle": maybe(HEX), "seq": maybe(COUNT),
                    "result": choice("continues", "fork", "not compared"), "sentence": STR})
        ),
        "rerun": listing(
            record({"pair": STR, "outcome": choice("reproduced", "weaker", "stronger", "contradicts", "not-run"),
                    "signed": STR, "found": STR, "sentence": STR, "faults": listing(STR), "tests": listing(_AGAIN)})
        ),
        "first_seen": maybe(INT),
    }
)  # fmt: skip

EXTRACT = record(
    {
        "schema": {"const": "mpk-tui/extract/1"}, "verdict": STR,
        "written": listing(record({"id": STR, "sha256": HEX, "size": COUNT, "name": STR, "media_type": STR})),
    }
)  # fmt: skip
PROOF = record(
    {
        "schema": {"const": "mpk-tui/proof/1"}, "verdict": STR, "code": COUNT, "words": STR, "bundle": maybe(HEX),
        "section": maybe(STR), "index": maybe(COUNT), "count": maybe(COUNT),
        "tensor": maybe(
            record({"name": STR, "dtype": STR, "shape": listing(COUNT), "bytes": COUNT, "sha256": HEX})
        ),
        "signers": listing(
            record({"id": STR, "role": STR, "keys": listing(HEX), "state": STR, "person": STR, "reason": STR})
        ),
        "notices": listing(STR),
    }
)  # fmt: skip

_ITEM: dict[str, Schema] = {"id": STR, "role": STR, "label": STR, "root": STR, "fingerprint": STR}
_JUDGED = record(
    {"pair": STR, "finding": maybe(choice(*FINDINGS)), **_VERDICT, "conflicts": listing(STR), "gaps": listing(STR)}
)
STATUS = record(
    {
        "schema": {"const": "mpk-tui/status/1"}, "case": STR, "title": STR, "examiner": STR,
        "artifacts": listing(record(_ITEM)), "pairs": listing(_JUDGED), "reviews": listing(_REVIEW),
        "gaps": listing(record({"step": COUNT, "pair": STR, "sentence": STR, "blocking": BOOL})), "ready": BOOL,
    }
)  # fmt: skip
VERDICT = record({"schema": {"const": "mpk-tui/verdict/1"}, "case": STR, "complete": BOOL, "pairs": listing(_JUDGED)})

_MAYBE_HASH: Schema = {"anyOf": [HEX, {"const": ""}]}
_HELD = record(
    {
        "line": COUNT, "name": STR, "status": choice("matches", "differs", "missing"), "path": STR, "proof": BOOL,
        "stated": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]+$"}},
        "stated_size": maybe(COUNT), "sha256": _MAYBE_HASH, "note": STR,
    }
)  # fmt: skip
HASHES = record(
    {
        "schema": {"const": "mpk-tui/hashes/1"}, "path": STR, "agrees": BOOL,
        "lists": listing(
            record(
                {
                    "list": STR, "list_sha256": HEX, "format": choice("sums", "hashdeep"), "prefix": STR,
                    "matches": COUNT, "differs": COUNT, "missing": COUNT, "weak": COUNT, "not_listed": COUNT,
                    "sentence": STR, "notices": listing(STR), "lines": listing(_HELD),
                    "files_not_listed": listing(record({"path": STR, "size": COUNT, "sha256": HEX})),
                }
            )
        ),
    }
)  # fmt: skip
FILES = record(
    {
        "schema": {"const": "mpk-tui/files/1"}, "path": STR, "context": STR,
        "files": listing(record({"path": STR, "kind": STR, "size": COUNT, "sha256": _MAYBE_HASH, "note": STR})),
        "references": listing(
            record({"source": STR, "task": STR, "target": STR, "repository": STR, "file": STR, "present": BOOL})
        ),
        "templates": listing(record({"source": STR, "name": STR, "sha256": HEX, "text": STR})),
        "generation": {"type": "object"},
        "claims": listing(record({"file": STR, "field": STR, "value": STR})), "notices": listing(STR),
    }
)  # fmt: skip
FILES_DIFF = record(
    {
        "schema": {"const": "mpk-tui/files-diff/1"}, "a": STR, "b": STR, "context": STR, "same": listing(STR),
        "changed": listing(
            record({"path": STR, "kind_a": STR, "kind_b": STR, "a": STR, "b": STR, "diff": listing(STR), "note": STR})
        ),
        "only_a": listing(STR), "only_b": listing(STR), "renamed": listing(listing(STR)),
        "not_compared": listing(STR),
        "templates": listing(record({"sha256": HEX, "a": listing(STR), "b": listing(STR)})),
        "templates_a": listing(STR), "templates_b": listing(STR),
        "settings": listing(
            record({"name": STR, "status": choice("same", "changed", "only-a", "only-b"), "a": {}, "b": {}})
        ),
        "notices_a": listing(STR), "notices_b": listing(STR),
    }
)  # fmt: skip

SELFTEST = record(
    {
        "schema": {"const": "mpk-tui/selftest/1"}, "v": INT, "tool": STR, "code_sha256": HEX, "python": STR,
        "libs": {"type": "object", "additionalProperties": STR}, "os": STR, "at": INT,
        "checks": listing(record({"name": STR, "expected": STR, "found": STR, "passed": maybe(BOOL)})),
        "passed": BOOL, "sentence": STR,
    }
)  # fmt: skip

ITEM = {"id": STR, "title": STR, "question": STR, "what_counts": STR, "what_does_not_count": STR}
CONDITION: Schema = {"type": "string", "pattern": "^c[1-5]$"}
NORM = record(
    {
        "version": STR, "source": {"type": "object", "additionalProperties": STR},
        "scope": {"type": "object", "additionalProperties": STR}, "stance": STR, "order": listing(CONDITION),
        "conditions": listing(record({**ITEM, "id": CONDITION})),
        "mechanisms": listing(
            record({**ITEM, "id": {"type": "string", "pattern": "^3\\.[1-9]$"}, "conditions": listing(CONDITION)})),
        "exclusions": listing(record({**ITEM, "id": {"type": "string", "pattern": "^4\\.[1-8]$"}})),
        "evidence": listing(
            record({"kind": choice("a", "b", "c", "context", "denial"), "title": STR, "admissible": BOOL,
                    "what": STR})),
        "never_counts": listing(STR), "known_gaps": listing(record({"id": STR, "title": STR})), "threats": listing(STR),
        "frameworks": listing(record({"name": STR, "codes": listing(STR)})),
    }
)  # fmt: skip
"""The constitution's data file, ``mpk_tui/constitution/norm-<version>.json``."""

_NAMED = record({"path": STR, "note": STR})
_MOMENT: Schema = choice("within", "expired", "not-yet-valid", "unknown")
MODELSIG = record(
    {
        "schema": {"const": "mpk-tui/modelsig/1"}, "path": STR, "code": COUNT, "sentence": STR, "meaning": STR,
        "signature_file": record(
            {"path": STR, "sha256": HEX, "method": choice("key", "certificate", "keyless"), "hint": STR,
             "notices": listing(STR)}
        ),
        "statement": record(
            {
                "model": STR, "root": HEX, "method": choice("files", "shards"),
                "algorithm": choice("sha256", "blake2b", "blake3"), "shard_size": COUNT, "allow_symlinks": BOOL,
                "ignore_paths": listing(STR), "notices": listing(STR),
                "resources": listing(
                    record({"path": STR, "digest": {"type": "string", "pattern": "^[0-9a-f]*$"}, "size": maybe(COUNT),
                            "shards": listing({"type": "array", "prefixItems": [COUNT, COUNT, STR], "minItems": 3,
                                               "maxItems": 3})})
                ),
            }
        ),
        "signature": record(
            {
                "fit": choice("fits", "does-not-fit", "not-valid-today", "not-under-the-ca", "no-key-given",
                              "not-supported"),
                "sentence": STR, "keyid": maybe(HEX), "signer": STR,
                "chain": listing(
                    record({"subject": STR, "issuer": STR, "sha256": HEX, "not_before": STR, "not_after": STR})
                ),
                "validity": maybe(
                    record({"now": STR, "today": _MOMENT, "signed_at": maybe(STR), "at_signing": _MOMENT,
                            "first_moment": STR, "at_first_moment": _MOMENT})
                ),
                "notices": listing(STR),
            }
        ),
        "files": record(
            {
                "covered": COUNT, "same": listing(STR), "changed": listing(_NAMED), "missing": listing(_NAMED),
                "extra": listing(
                    record({"path": STR, "kind": choice("file", "symlink", "dir", "other"),
                            "why": choice("ignore-paths", "by-default", "empty-folder", "empty-file", "unsigned"),
                            "note": STR})
                ),
                "not_comparable": listing(_NAMED), "notices": listing(STR),
            }
        ),
    }
)  # fmt: skip


def all_schemas() -> dict[str, Schema]:
    """Schemas by file name."""
    return {
        "fingerprint-1.json": _named("mpk-tui/fingerprint/1", "one checkpoint", FINGERPRINT),
        "compare-1.json": _named("mpk-tui/compare/1", "findings for a pair", COMPARE),
        "verify-1.json": _named("mpk-tui/verify/1", "what a verification found", VERIFY),
        "status-1.json": _named("mpk-tui/status/1", "where a case stands", STATUS),
        "verdict-1.json": _named("mpk-tui/verdict/1", "the verdicts of a case", VERDICT),
        "files-1.json": _named("mpk-tui/files/1", "what else lies in a folder", FILES),
        "files-diff-1.json": _named("mpk-tui/files-diff/1", "how two folders differ in it", FILES_DIFF),
        "selftest-1.json": _named("mpk-tui/selftest/1", "what an installation answered to known questions", SELFTEST),
        "norm-1.json": _named("mpk-tui/norm/1", "a version of the constitution, as data", NORM),
        "modelsig-1.json": _named("mpk-tui/modelsig/1", "a model signature and what it covers", MODELSIG),
        "extract-1.json": _named("mpk-tui/extract/1", "attachments that were written out", EXTRACT),
        "proof-1.json": _named("mpk-tui/proof/1", "what the proof of one tensor says", PROOF),
        "family-1.json": _named(
            "mpk-tui/family/1", "a family graph: models and what lies between them", family_files.SHAPE
        ),
        "kit-1.json": _named("mpk-tui/kit/1", "what another tool would say of two models: context", shapes_kit.KIT),
        "report-1.json": _named("mpk-tui/report/1", "what a report of a signed bundle says", document_json.SHAPE),
        "proposal-1.json": _named("mpk-tui/proposal/1", "what a comparison proposes", shapes_case.PROPOSAL),
        "evidence-1.json": _named("mpk-tui/evidence/1", "the evidence about a pair", shapes_case.EVIDENCE),
        "log-1.json": _named("mpk-tui/log/1", "the journal of a case", shapes_case.LOG),
        "custody-1.json": _named("mpk-tui/custody/1", "the chain of custody of a case", shapes_case.CUSTODY),
        "scan-1.json": _named("mpk-tui/scan/1", "what a model is related to in a library", shapes_scan.SCAN),
        "library-2.json": _named("mpk-tui/library/2", "the entries and files of a library", shapes_library.LIBRARY),
        "entry-1.json": _named("mpk-tui/entry/1", "one entry of a library", shapes_library.shown(FINGERPRINT)),
        "library-log-1.json": _named("mpk-tui/library-log/1", "the history of a library", shapes_library.HISTORY),
        "library-stats-1.json": _named("mpk-tui/library-stats/1", "a library in numbers", shapes_library.STATS),
        "library-check-1.json": _named("mpk-tui/library-check/1", "what a library lacks", shapes_library.CHECK),
        "pack-1.json": _named("mpk-tui/pack/1", "a signed pack of reference fingerprints", shapes_packs.PACK),
        "pack-import-1.json": _named("mpk-tui/pack-import/1", "what taking a pack in changes", shapes_packs.IMPORT),
        "packs-1.json": _named("mpk-tui/packs/1", "packs that a library took in", shapes_packs.PACKS),
        "library-build-1.json": _named("mpk-tui/library-build/1", "a list of checkpoints, built", shapes_packs.BUILD),
        "kit-database-1.json": _named(
            "mpk-tui/kit-database/1", "an imported database of another tool: leads", shapes_leads.KIT_DATABASE
        ),
        "kit-scan-1.json": _named(
            "mpk-tui/kit-scan/1", "what another tool's scan would say: leads", shapes_leads.KIT_SCAN
        ),
        "batch-1.json": _named("mpk-tui/batch/1", "one checkpoint of a sweep", shapes_sweep.BATCH),
        "batch-pair-1.json": _named("mpk-tui/batch-pair/1", "two checkpoints of a drive", shapes_sweep.PAIR),
        "batch-summary-1.json": _named("mpk-tui/batch-summary/1", "what a sweep came to", shapes_sweep.SUMMARY),
        "watch-1.json": _named("mpk-tui/watch/1", "a checkpoint held against a watch list", shapes_sweep.WATCH),
        "keymap-1.json": _named("mpk-tui/keymap/1", "the keys of the workbench", shapes_case.KEYMAP),
        "hashes-1.json": _named("mpk-tui/hashes/1", "files held against hash lists", HASHES),
    }


def render(schema: Schema) -> str:
    """The text of a schema file."""
    return json.dumps(schema, indent=2, ensure_ascii=True) + "\n"


def main(argv: list[str]) -> int:
    """Write all schema files to a folder."""
    for name, schema in all_schemas().items():
        Path(argv[0], name).write_text(render(schema), encoding="ascii")
    Path(argv[0], cddl.NAME).write_text(cddl.render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
