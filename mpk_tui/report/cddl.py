"""The shapes of a bundle in CDDL (RFC 8610), built from the very checkers that readers and writers run.

CDDL describes data of nil, bool, integers, floats, text, byte strings, arrays and maps; the msgpack profile of bundles
(MPKB-CP1, docs/format.md section 1) has the same data model, so its values can be checked as CBOR.  What CDDL cannot
say (canonical bytes, order of records, digests, signatures, whether a verdict follows) is in docs/format.md.

``python -m mpk_tui.report.schemas schemas`` writes the file; a test holds it against this module.
"""

from __future__ import annotations

from collections.abc import Mapping

from mpk_tui.bundle import endorsements, envelope, manifest, sections, trust_file
from mpk_tui.bundle.later import proofs
from mpk_tui.bundle.schema import Check, Shape, shape_of

NAME = "bundle-1.cddl"
_HEAD = """\
; The evidence bundle, schema 1: shapes of its parts.  Generated from the checkers that the program runs; do not edit.
; Every part is canonical msgpack (docs/format.md, section 1), whose data model is that of CDDL.  Maps hold no other
; keys than these, unless a newer minor version wrote them.

; The file.  payload is a canonical `manifest`, the first item of an endorsement a canonical `endorsement`,
; the data of a blob a canonical `section-…`, an array of `item-…` (or of withheld items), or the bytes of a document.
"""


def rules() -> Mapping[str, Check]:
    """Rule name -> checker, in the order of the file."""
    out: dict[str, Check] = {"bundle": envelope.OUTER, "manifest": manifest.MANIFEST}
    out["endorsement"] = endorsements.BODY
    out |= {f"data-of-{kind}": check for kind, check in endorsements.DATA.items()}
    for name, family in sections.FAMILIES.items():
        if family.check is not None:
            out[f"{'section' if family.kind == 'blob' else 'item'}-{name}"] = family.check
    out["trust-store"] = trust_file.BODY
    out["tensor-proof"] = proofs.RECORD
    return out


def described(checks: Mapping[str, Check]) -> list[str]:
    """The rules that checkers make, each with those of its parts before it is needed."""
    parts = []
    for name, check in checks.items():
        named: dict[str, str] = {}
        _rule(name, shape_of(check), named)
        parts += [f"{rule} = {text}\n" for rule, text in reversed(named.items())]
    return parts


def render() -> str:
    """The whole file."""
    parts = [_HEAD, *described(rules())]
    parts.append("; Stands in the place of an item of a merkle or chain section that is withheld: its hash.")
    parts.append("withheld = [bstr .size 32]\n")
    return "\n".join(parts)


def _rule(name: str, shape: Shape, named: dict[str, str]) -> str:
    """Write a rule, and others for what is nested in it; returns its name.  Parts come before what they are part of."""
    kind = shape[0]
    if kind == "map":
        rows = [
            f'  {"? " if optional else ""}"{field}": {_inline(f"{name}-{_dashed(field)}", inner, named)},'
            for field, (optional, inner) in sorted(shape[1].items())
        ]
        text = "\n".join(["{", *rows, "}"])
    elif kind == "row":
        items = [_inline(f"{name}-{n}", inner, named) for n, inner in enumerate(shape[1])]
        text = "[" + ", ".join(items) + "]" if len(items) < 5 else "\n".join(["[", *(f"  {i}," for i in items), "]"])
    elif kind == "list":
        text = f"[{shape[1]}*{shape[2]} {_inline(f'{name}-item', shape[3], named)}]"
    elif kind == "open":
        text = "{* tstr => " + _inline(f"{name}-value", shape[1], named) + "}"
    elif kind == "maybe":
        text = f"nil / {_inline(f'{name}-given', shape[1], named)}"
    else:
        text = shape[1]
    named[name] = text
    return name


def _inline(name: str, shape: Shape, named: dict[str, str]) -> str:
    """A type that fits where it stands, or the name of a rule of its own."""
    if shape[0] == "type" and " / " not in shape[1]:
        return str(shape[1])
    return _rule(name, shape, named)


def _dashed(field: str) -> str:
    return field.replace("_", "-")
