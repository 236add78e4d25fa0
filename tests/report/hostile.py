"""A bundle with one hostile text in every field that a bundle has for text, correctly signed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import workshop as w
from cases import finding
from workshop import CREATED

from mpk_tui import canonical, hashtree
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.manifest import CaseFacts

MARK = "hostile"
"""In every text of the corpus, and in none of ours."""
_HOSTILE = (
    "<script>alert(1)</script>",
    "</style><style>*{display:none}</style>",
    "</title></head><body onload=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' style='background:url(http://127.0.0.1/x)'",
    "<img src=x onerror=alert(1)>",
    "<svg><script xlink:href=data:,alert(1)></script></svg>",
    "</desc></svg><a href=javascript:alert(1)>VALID</a>",
    "<!-- --><![CDATA[ ]]><?php ?>",
    "&lt;b&gt; &#60;i&#62; &amp;quot; \u00ad",
    "<meta http-equiv=refresh content=0;url=http://127.0.0.1/>",
    "}} @import 'http://127.0.0.1/'; @page { margin: 0 } /* */ --> <base href=//x>",
    "\x1b[2J\x1b]0;title\x07 \x9b31m",
    "\u202eDILAV\u202c \u2066 \u200f \u061c \u200b\ufeff",
    "line one\r\nVERDICT VALID 0\r\n.\r\nFrom nobody\r\n\u2028\u2029\x85",
    "\x00\x01\x08\x7f",
    "“ VALID ” said the report: “ ‘",
    "Z" + "\u0301\u0489" * 300,
    "\U000e0041\U000e0042 \ue000 \ud7ff \ufffe",
    "A" * 3000 + "<b>",
    "%s %(x)s {0} {x} ${x} \\",
)
CORPUS = tuple(f"{MARK} {text}" for text in _HOSTILE)


def bundle(evil: str, **more: Any) -> Envelope:
    """Every field of text holds it, cut to what the field takes."""
    name, short = _cut(evil, 1000), _cut(evil, 120)
    plain = dict(w.contents().sections)
    for a in plain["artifacts"]:
        a["label"], a["format"], a["family"] = name, _cut(evil, 60), _cut(evil, 60)
    compared = _record(evil)
    row = plain["findings"][0]
    row["record"], row["digest"] = compared, hashtree.sha256(canonical.encode(compared))
    for e in plain["evidence"]:
        e |= {"source": evil, "locator": evil, "excerpt": evil}
        if e["record"]:
            e["record"], e["digest"] = row["digest"], w.sha("x")
    for a in plain["answers"]:
        a["reason"], a["resolution"] = evil, evil
    signed = plain["verdict"]["pairs"][0]
    signed |= {"rationale": evil, "alternatives": [evil], "limitations": [evil, evil], "known_gaps": ["10.1", short]}
    plain["verdict"]["decided_by"] = name
    entries = [("open", {"id": evil}), (_cut(evil, 60), {"pair": evil, "question": evil}), ("intake", _custody(evil)),
               ("review", {"outcome": evil, "pair": evil, "verdict": evil}), ("undo", {"seq": [evil]})]  # fmt: skip
    plain["log"] = [
        {**w.log_entry(n, act, CREATED, **params), "who": name, "role": _cut(evil, 60), "note": evil, "result": evil}
        for n, (act, params) in enumerate(entries)
    ] + [w.log_entry(len(entries), "export", CREATED, seq=0)]
    plain["notes"] = [{"at": CREATED, "who": name, "text": evil}]
    for artifact in ("S1", "R1"):
        section = plain[f"checkpoint.{artifact}"]
        section["files"][0]["error"] = name
        section["mount"]["observed"] = name
        section["write_block"] = {"statement": evil, "by": name}
        section["notices"] = [evil]
        plain[f"facts.{artifact}"]["config"] = {"layers": evil, "model_type": evil}
    plain["docs"][0] |= {"name": name, "supplied_by": name, "relation": name}
    plain["selftest"]["checks"] = [{"name": short, "expected": name, "found": name, "passed": False}]
    made = w.contents(**{k.replace(".", "__"): v for k, v in (plain | more).items()})
    tool = replace(made.tool, os=short, host_label=short, python=_cut(evil, 60), libs={"numpy": _cut(evil, 60)})
    made = replace(made, case=CaseFacts(_cut(evil, 60) if evil.isascii() else "case-1", *[name] * 5), tool=tool)
    return w.endorsed(w.sealed(made), w.BERT, "dissent", statement=evil)


def _cut(text: str, size: int) -> str:
    """At most so many bytes of UTF-8."""
    return text.encode("utf-8")[:size].decode("utf-8", "ignore")


def _custody(evil: str) -> dict[str, Any]:
    return {"from": evil, "to": evil, "seal": evil, "id": evil, "when": [evil]}


def _record(evil: str) -> dict[str, Any]:
    """A comparison whose every text is hostile, and some of whose numbers are texts."""
    base = finding("shared-trained-ancestor")

    def poisoned(value: Any, key: str = "") -> Any:
        if key in ("schema", "root", "finding", "state"):
            return value
        if isinstance(value, dict):
            return {k: poisoned(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [poisoned(v) for v in value[:6]]
        return evil if isinstance(value, str) else value

    out: dict[str, Any] = poisoned(base)
    out["tests"][0]["name"] = "ffn.aligned"
    out["tests"][1] |= {"name": "retention", "reading": evil, "shared": evil, "directions": [{"of": evil, "top": evil}]}
    out["components"] = [{"name": evil, "finding": evil, "sentence": evil, "p": evil, "rho": evil, "equal": [evil]}]
    out["mechanisms"] = [{"number": evil, "title": evil, "for": [evil], "against": [evil]}]
    out["context"] = [{"name": evil, "value": evil, "independent_low": evil}]
    out["limits"], out["notices"] = [evil], [evil]
    out["untouched"], out["trajectory"], out["merge"] = {"sentence": evil}, {"reason": evil}, {"sentence": evil}
    out["proposal"] = {"sentence": evil}
    out["identity"] |= {"only_a": [evil], "ignored": [evil], "conversions": [evil]}
    out["profile"] = {name: {"missing": evil} for name in ("cosine", "layers", "change", "singular")}
    return out
