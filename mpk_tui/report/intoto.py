"""The verdicts of a bundle as an in-toto Statement v1: unsigned, about the files of its artifacts.

Format: github.com/in-toto/attestation, spec/v1 (statement.md, resource_descriptor.md, field_types.md).
``predicateType`` is a TypeURI: a URI of RFC 3986 in normalised case, not registered anywhere, which SHOULD carry a
version and MAY lead nowhere.  We own no domain, so an https address would promise a page that nobody keeps;
`PREDICATE_TYPE` is a URN whose namespace is this program's name.  That namespace is not registered with IANA (RFC 8141
would ask for that, the Statement does not).  The number at its end changes when a field changes its meaning.

A Statement is believed for its signature.  This one has none: sign it as DSSE with a key of your own, or go back to the
bundle, whose digest it carries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mpk_tui.bundle.wording import as_record
from mpk_tui.errors import UnsupportedError
from mpk_tui.hashtree import sha256
from mpk_tui.report.source import EXPORTER, Listed, Made, Source, files_of, timestamp

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:mpk-tui:verdict:1"


def write(source: Source) -> Made:
    """The Statement as one JSON object.

    Raises:
        UnsupportedError: No file of the bundle has a digest; a Statement must have a subject.
    """
    subjects: list[dict[str, Any]] = []
    left_out: list[dict[str, str]] = []
    taken: set[str] = set()
    for artifact in source.contents.artifacts:
        for f in files_of(source.contents, artifact["id"]):
            name = _name(artifact["id"], f, taken)
            if f.sha256 is None:
                left_out.append({"name": name, "reason": f.why_unhashed})
            else:
                subjects.append({"name": name, "digest": {"sha256": f.sha256.hex()}, **_annotations(f)})
    if not subjects:
        raise UnsupportedError(
            "no file of the bundle has a digest, and a Statement needs a subject", where=source.name,
            hint="Choose another format",
        )  # fmt: skip
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": PREDICATE_TYPE,
        "predicate": _predicate(source, left_out),
    }
    notes = ["the Statement is not signed; sign it, or check the bundle that it names", *source.withheld]
    notes += [f"not a subject: {x['name']} ({x['reason']})" for x in left_out[:20]]
    if len(left_out) > 20:
        notes.append(f"and {len(left_out) - 20} more, in predicate.notSubjects")
    return Made(json.dumps(statement, indent=2, allow_nan=False).encode("ascii") + b"\n", tuple(notes))


def _name(artifact: str, f: Listed, taken: set[str]) -> str:
    """A name that no other subject has; an artifact's id holds no slash."""
    name = f"{artifact}/{f.shown}"
    while name in taken:  # a name that is not UTF-8 may read like another that spells its escape out
        name = f"{name} (bytes {f.path.hex()})"
    taken.add(name)
    return name


def _annotations(f: Listed) -> dict[str, Any]:
    """What a subject's name and digest do not say."""
    notes: dict[str, str] = {}
    if not f.is_text:
        notes["mpkTuiNameBytes"] = f.path.hex()
    if f.kind == "symlink":
        notes["mpkTuiLink"] = f.link
    if f.changed:
        notes["mpkTuiChanged"] = "hashed after the analysis with another result; the digest is the one at intake"
    return {"annotations": notes} if notes else {}


def _predicate(source: Source, left_out: list[dict[str, str]]) -> dict[str, Any]:
    m, contents = source.manifest, source.contents
    verify = as_record(source.outcome, untrusted=True, dated=source.dated)
    norm = contents.sections["norm"]
    return {
        **({"warning": source.warning} if source.warning else {}),
        "verification": {
            "verdict": verify["verdict"], "code": verify["code"], "words": verify["words"],
            "meaning": verify["meaning"], "at": timestamp(source.now),
            "trustDated": None if source.dated is None else timestamp(source.dated),
        },
        "bundle": {
            "id": verify["bundle"], "sha256": sha256(source.data).hex(), "name": _text(source.name),
            "case": m.case.id, "number": m.seq, "created": timestamp(m.created),
        },
        "signers": verify["signers"],
        "endorsements": verify["endorsements"],
        "norm": {"id": norm["id"], "version": norm["version"], "digest": {"sha256": norm["digest"].hex()}},
        "tool": {"name": m.tool.name, "version": m.tool.version, "codeSha256": m.tool.code_sha256.hex()},
        "exporter": {"name": EXPORTER[0], "version": EXPORTER[1]},
        "artifacts": [_artifact(source, a) for a in contents.artifacts],
        "pairs": verify["pairs"],
        "contradictions": verify["contradictions"],
        "notices": verify["notices"],
        "withheld": list(source.withheld),
        "notSubjects": left_out,
    }  # fmt: skip


def _artifact(source: Source, a: Mapping[str, Any]) -> dict[str, Any]:
    root = source.tensor_root(a["id"])
    return {
        "id": a["id"], "role": a["role"], "label": a["label"], "format": a["format"], "family": a["family"],
        "parameters": a["parameters"], "complete": a["complete"], "tensorRoot": None if root is None else root.hex(),
    }  # fmt: skip


def _text(name: str) -> str:
    """A file name of this machine as JSON can hold it."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
