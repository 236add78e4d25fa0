"""Make ``golden_ranks.json``: how the Kit itself ranks the tiny database.

    KIT_PYTHON tests/kit/golden_ranks.py > tests/kit/golden_ranks.json

``KIT_PYTHON`` is the Python of an environment with cisco-ai-provenance-kit 1.0.0 (transformers 5.24.0, pandas 3.1.1,
pyarrow 26.0.1 when the committed file was made).
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import structlog
from provenancekit.core.lookup import run_lookup
from provenancekit.models.signals import MFIFingerprint, TokenizerFeatures, WeightSignalFeatures
from provenancekit.services.database import DatabaseService
from tiny_database import QUERIES, Signals, rows, write_database


def write_parquet(path: Path, weights: Signals) -> None:
    """One asset's weight signals as pandas writes them."""
    frame = pd.DataFrame(rows(weights), columns=["signal", "layer", "row", "col", "value"])
    frame.astype({"layer": "Int32", "row": "int32", "col": "Int32", "value": "float32"}).to_parquet(path, index=False)


def plain(match: Any) -> dict[str, Any]:
    """One result in the words of our record."""
    s = match.scores
    return {
        "asset_id": match.asset_id, "match_type": match.match_type, "decision": match.provenance_decision,
        "scores": {
            "pipeline": s.pipeline_score, "identity": s.identity_score, "mfi": s.mfi_score, "mfi_tier": s.mfi_tier,
            "mfi_match": s.mfi_match_type, "tokenizer": s.tokenizer_score, "tfv": s.tfv, "eas": s.eas, "nlf": s.nlf,
            "lep": s.lep, "end": s.end, "wvc": s.wvc,
        },
    }  # fmt: skip


def main() -> None:
    """Ask the Kit each question, once as its defaults would and once for everything."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    golden: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_database(Path(folder), write_parquet)
        service = DatabaseService(Path(folder))
        for name, (metadata, tokenizer, weights) in QUERIES.items():
            ws = None
            if weights is not None:
                ws = WeightSignalFeatures(
                    **weights, hidden_size=0, num_layers=0, eas_anchor_count=16, wsp_signature=None
                )
            asked = MFIFingerprint(**metadata), TokenizerFeatures(**tokenizer), ws
            golden[name] = {
                "shown": [m.asset_id for m in run_lookup(*asked, service)],
                "all": [plain(m) for m in run_lookup(*asked, service, top_k=100, threshold=0.0)],
            }
    json.dump(golden, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
