"""Comparison records as `compare --json` prints them, small and complete, one for every finding."""

from __future__ import annotations

from typing import Any

CARRYING_P = {
    "shared-trained-ancestor": 1e-12,
    "component-shared": 1e-12,
    "shared-initialisation": 1e-12,
    "common-origin-unresolved": 1e-12,
    "no-correspondence": 0.62,
    "near-identical": 1e-12,
}


def side(label: str, **more: Any) -> dict[str, Any]:
    return {
        "label": label, "kind": "checkpoint", "format": "safetensors", "family": "llama", "scope": "transformer-lm",
        "parameters": 1_235_814_400, "tensors": 146, "root": "ab12" * 16, "fingerprint": "cd34" * 16, **more,
    }  # fmt: skip


def row(name: str, family: str, p: float | None, **more: Any) -> dict[str, Any]:
    layers = [
        {"a": i, "b": i, "z": 1.0, "rho": 0.1, "p": 1.0 if p is None else p, "p_is_bound": False, "units": 64}
        for i in range(16)
    ]
    return {
        "name": name, "family": family, "statement": "H0-ind", "assumption": "", "basis": "", "ran": True, "reason": "",
        "source": "weights", "p": p, "p_is_bound": p == 1e-12, "z": 1.0, "rho": 0.1, "parameters": {"layer_p": 1e-3},
        "layers": layers, **more,
    }  # fmt: skip


def idle(name: str, family: str, reason: str) -> dict[str, Any]:
    return row(name, family, None, ran=False, reason=reason, layers=[], p_is_bound=False)


def record(finding: str, **more: Any) -> dict[str, Any]:
    p = CARRYING_P.get(finding)
    reading = {"shared-initialisation": "seed", "common-origin-unresolved": "abstains"}.get(finding, "for")
    linked = p == 1e-12
    if p is None:
        tests = [
            idle(n, f, "nothing to test")
            for n, f in (("ffn.aligned", "feed-forward units"), ("retention", "retention"))
        ]
    else:
        tests = [
            row("ffn.aligned", "feed-forward units", p),
            row("ffn.anchored", "feed-forward units", p),
            idle("ffn.order", "feed-forward units", "units stand in the same places already"),
            row("attn.channels", "value/output channels", p),
            row("attn.heads", "attention heads", p),
            row("residual.embeddings", "residual dimensions", p, layers=[{"a": -1, "b": -1, "p": p}]),
            row("residual.body", "residual dimensions", p, layers=[{"a": -1, "b": -1, "p": p}]),
            row("retention", "retention of learned structure", None, reading=reading)
            if linked
            else idle("retention", "retention of learned structure", "not needed: no shared origin was established"),
        ]
    out: dict[str, Any] = {
        "schema": "mpk-tui/compare/1",
        "tool": {"name": "mpk-tui", "version": "0.1.0", "numpy": "2.4.6"},
        "a": side("suspect"),
        "b": side("reference"),
        "finding": finding,
        "sentence": "…",
        "p": 1.0 if p is None else p,
        "p_is_bound": linked,
        "families": 0 if p is None else 6,
        "tests": tests,
        "identity": {
            "pairs": 146, "equal": 0, "converted": 0, "unread": 0, "renamed": 0, "conversions": [], "lossless": True,
            "differing": [{"a": f"layer.{i}.weight", "b": f"layer.{i}.weight"} for i in range(146)],
            "only_a": [], "only_b": [], "ignored": [],
        },
        "components": [],
        "mechanisms": [],
        "proposal": {},
        "limits": [],
        "notices": [],
    }  # fmt: skip
    identity = out["identity"]
    if finding in ("identical", "reformatted"):
        identity |= {"differing": [], "equal" if finding == "identical" else "converted": 146}
    if finding == "reformatted":
        identity |= {"conversions": ["F32 rounded to BF16"], "lossless": False}
    if finding == "near-identical":
        identity |= {"differing": identity["differing"][:2], "equal": 144}
    if finding == "component-shared":
        out["components"] = [
            {"name": "attention of layers 0-3", "kind": "attention", "finding": "component-shared", "sentence": "…",
             "p": 1e-12, "p_is_bound": True, "rho": 0.9, "layers": [["0", "0"]], "equal": [], "retention": None},
            {"name": "token embeddings", "kind": "embeddings", "finding": "common-origin-unresolved", "sentence": "…",
             "p": 1e-12, "p_is_bound": True, "rho": 0.9, "layers": [], "equal": [], "retention": None},
        ]  # fmt: skip
    if finding in ("shared-trained-ancestor", "near-identical"):
        out["mechanisms"] = [{"number": "3.2", "title": "fine-tuning", "for": ["…"], "against": []}]
    return out | more
