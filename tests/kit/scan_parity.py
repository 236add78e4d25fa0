"""The Kit's own ``scan`` and ours, side by side, over the Kit's reference database.

    python tests/kit/scan_parity.py KIT_PYTHON CHECKPOINT... [--reference CHECKPOINT]... [--markdown] [--work DIR]

``KIT_PYTHON`` is the Python of an environment with cisco-ai-provenance-kit 1.0.0.  Its bundled database holds no weight
signals, so each ``--reference`` checkpoint is measured by the Kit itself and added to a copy of the database as an
asset with the parquet file that the database's README describes; reading that needs pyarrow here.  Every asset that
passes the prefilter is compared, whatever it scores.  Exit 1 if a score differs by more than 1e-3 or the order differs.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mpk_tui.errors import MpkError
from mpk_tui.kit.kept import import_database
from mpk_tui.kit.leads import kit_scan

NEAR = 1e-3
SCORES = ("pipeline", "identity", "mfi", "tokenizer", "tfv", "eas", "nlf", "lep", "end", "wvc")

# Runs under the Kit's Python: argv = database copy (made if missing), then JSON {"references": [...], "queries": [...]}.
THEIRS = r"""
import contextlib, hashlib, io, json, os, shutil, sys, logging
os.environ["HF_HUB_OFFLINE"] = "1"
import structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
from pathlib import Path
import pandas as pd
import provenancekit
from provenancekit.config.settings import Settings
from provenancekit.core.scanner import ModelProvenanceScanner
from provenancekit.services.cache import NullCache
from provenancekit.utils.tensor import compute_param_bucket

root, asked = Path(sys.argv[1]), json.loads(sys.argv[2])
if not root.exists():
    shutil.copytree(Path(provenancekit.__file__).parent / "data" / "database", root)
scanner = ModelProvenanceScanner(settings=Settings(db_root=root), cache=NullCache())

def rows(ws):
    for name in ("nlf_vector", "lep_profile", "end_histogram", "wsp_signature"):
        vector = getattr(ws, name)
        for n, v in enumerate([] if vector is None else vector):
            yield name, None, n, None, float(v)
    if ws.eas_self_sim is not None:
        for r, row in enumerate(ws.eas_self_sim):
            for c, v in enumerate(row):
                yield "eas_self_sim", None, r, c, float(v)
    for layer, vector in (ws.wvc_layer_sigs or {}).items():
        for n, v in enumerate(vector):
            yield "wvc_layer_sigs", layer, n, None, float(v)

assets = []
for path in asked["references"]:
    name = Path(path).name
    data = scanner._extract_model(path)
    base = f"features/base/by-family/own/{name}_features.json"
    parquet = f"features/deep-signals/by-family/own/{name}_deep-signals.parquet"
    tfv = data.tfv.model_dump()
    tfv.pop("all_merges_str")
    refs, signals = [], {}
    if data.ws is not None:
        frame = pd.DataFrame(list(rows(data.ws)), columns=["signal", "layer", "row", "col", "value"])
        frame = frame.astype({"layer": "Int32", "row": "int32", "col": "Int32", "value": "float32"})
        (root / parquet).parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(root / parquet, index=False)
        sha = hashlib.sha256((root / parquet).read_bytes()).hexdigest()
        refs = [{"artifact_id": name, "type": "deep_signals", "path": parquet, "checksum": "sha256:" + sha}]
        signals = {"hidden_size": data.ws.hidden_size, "num_layers": data.ws.num_layers,
                   "eas_anchor_count": data.ws.eas_anchor_count, "nlf_mode": data.ws.nlf_mode,
                   "nlf_num_layers": data.ws.nlf_num_layers}
    (root / base).parent.mkdir(parents=True, exist_ok=True)
    (root / base).write_text(json.dumps({"model_id": name, "asset_id": name + "__own", "mfi": data.fp.model_dump(),
        "tfv": tfv, "signals": signals, "artifact_refs": refs}))
    assets.append({"asset_id": name + "__own", "model_id": name, "format": "safetensors", "feature_path": base,
        "param_bucket": compute_param_bucket(data.fp), "source_uri": "", "canonical_name": name})
if assets:
    manifest = root / "catalog" / "manifest.json"
    listed = json.loads(manifest.read_text())
    if not any(s["family_id"] == "own" for s in listed["shards"]):
        listed["shards"].append({"family_id": "own", "shard_path": "catalog/by-family/own.json"})
        manifest.write_text(json.dumps(listed))
    (root / "catalog" / "by-family" / "own.json").write_text(json.dumps({"family": {"family_id": "own",
        "display_name": "Own", "publisher": "here"}, "assets": assets}))
    scanner._db_service = None

for path in asked["queries"]:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = scanner.scan(path, top_k=100000, threshold=0.0)
        print("@@" + json.dumps({"path": path, "bucket": found.model_info.param_bucket,
            "weights": found.model_info.has_weight_signals, "matches": [m.model_dump() for m in found.matches]}))
    except Exception as error:
        print("@@" + json.dumps({"path": path, "error": f"{type(error).__name__}: {error}"}))
    sys.stdout.flush()
"""


def theirs(python: str, database: Path, references: list[str], queries: list[str]) -> dict[str, dict[str, Any]]:
    """What the Kit answers, by checkpoint."""
    asked = json.dumps({"references": references, "queries": queries})
    run = subprocess.run([python, "-c", THEIRS, str(database), asked], stdout=subprocess.PIPE, check=True, text=True)
    found = (json.loads(line[2:]) for line in run.stdout.splitlines() if line.startswith("@@"))
    return {answer["path"]: answer for answer in found}


def plain(match: dict[str, Any]) -> dict[str, Any]:
    """One result of the Kit in the words of our record."""
    s = match["scores"]
    return {
        "asset_id": match["asset_id"], "decision": match["provenance_decision"], "match_type": match["match_type"],
        "scores": {
            "pipeline": s["pipeline_score"], "identity": s["identity_score"], "mfi": s["mfi_score"],
            "tokenizer": s["tokenizer_score"], **{n: s[n] for n in ("tfv", "eas", "nlf", "lep", "end", "wvc")},
        },
    }  # fmt: skip


def difference(kit: dict[str, Any], ours: dict[str, Any]) -> float:
    """The largest difference of two results; infinite where their words or what is missing differ."""
    if (kit["decision"], kit["match_type"]) != (ours["decision"], ours["match_type"]):
        return math.inf
    largest = 0.0
    for name in SCORES:
        a, b = kit["scores"][name], ours["scores"][name]
        if (a is None) != (b is None):
            return math.inf
        largest = max(largest, abs(a - b) if a is not None else 0.0)
    return largest


def main() -> int:
    """Run both and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python")
    parser.add_argument("checkpoint", nargs="+")
    parser.add_argument("--reference", action="append", default=[])
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--work", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        work = args.work or Path(made)
        work.mkdir(parents=True, exist_ok=True)
        queries = [str(Path(p).resolve()) for p in args.checkpoint]
        answers = theirs(args.python, work / "database", [str(Path(p).resolve()) for p in args.reference], queries)
        start = time.monotonic()
        reference = import_database(work / "database", work / "library", who="scan_parity", at=0)
        print(f"imported {len(reference.assets)} assets, {reference.deep} with weight signals, "
              f"in {time.monotonic() - start:.2f} s", file=sys.stderr)  # fmt: skip
        return compare(answers, work / "library", args.markdown)


def compare(answers: dict[str, dict[str, Any]], library: Path, markdown: bool) -> int:
    """Print one row for each checkpoint; 1 if anything differs."""
    failed = 0
    rows = []
    for path, answer in answers.items():
        name = Path(path).name
        try:
            ours = kit_scan(Path(path), library, most=100_000, threshold=0.0)
        except MpkError as error:
            said = f"ours refuses: {error.what}"
            failed += "error" not in answer
            rows.append([name, answer.get("error", "answers")[:80], said[:80], "", "", ""])
            continue
        if "error" in answer:
            rows.append([name, f"the Kit refuses: {answer['error'][:60]}", _top(ours["leads"]), "", "", ""])
            continue
        kit = [plain(m) for m in answer["matches"]]
        mine = {lead["asset_id"]: lead for lead in ours["leads"]}
        order = [m["asset_id"] for m in kit] == [lead["asset_id"] for lead in ours["leads"]]
        largest = max(
            (difference(m, mine[m["asset_id"]]) if m["asset_id"] in mine else math.inf for m in kit), default=0.0
        )
        weighed = sum(m["scores"]["identity"] is not None for m in kit)
        good = order and largest <= NEAR and answer["bucket"] == ours["query"]["param_bucket"]
        failed += not good
        rows.append([name, _top(kit), _top(ours["leads"]), f"{len(kit)} ({weighed} by weights)",
                     "same" if order else "DIFFERS", f"{largest:.4f}"])  # fmt: skip
    titles = ["checkpoint", "the Kit's first", "our first", "assets", "order", "largest difference"]
    if markdown:
        print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    for row in rows if markdown else [titles, *rows]:
        print("| " + " | ".join(row) + " |" if markdown else "  ".join(row))
    return 1 if failed else 0


def _top(found: list[dict[str, Any]]) -> str:
    if not found:
        return "none"
    first = found[0]
    return f"{first['asset_id'].split('__')[0]} {first['scores']['pipeline']:.4f} {first['decision']}"


if __name__ == "__main__":
    sys.exit(main())
