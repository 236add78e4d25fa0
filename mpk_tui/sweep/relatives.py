"""What a sweep keeps of a scan: counts, and the best relatives with all that is needed to find them again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpk_tui.errors import MpkError
from mpk_tui.lineage.sides import Side
from mpk_tui.progress import CancelToken, Report

MOST = 8
"""Relatives that a line names."""
NOTHING = "none-found"
"""The finding of a checkpoint of which the library holds no relative."""


def scanned(
    library: Path, side: Side, report: Report, cancel: CancelToken
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Scan a library, and keep the essence; what went wrong with the scan instead of raising it.

    Returns:
        The scan (see `essence`) and None, or None and the fault (see `fault_of`).
    """
    from mpk_tui.library.catalogue import open_library
    from mpk_tui.library.scan import scan

    try:
        with open_library(library) as catalogue:
            return essence(scan(catalogue, side, report=report, cancel=cancel)), None
    except MpkError as error:
        cancel.check()
        return None, fault_of(error)


def fault_of(error: MpkError) -> dict[str, Any]:
    """An error as a line keeps it."""
    return {"kind": type(error).__name__, "code": int(error.exit_code), "diagnosis": error.diagnosis()[:4000]}


def essence(record: Mapping[str, Any]) -> dict[str, Any]:
    """A scan in a few fields (of schema ``mpk-tui/scan/1``)."""
    relatives = [_relative(r) for r in record["relatives"]]
    exact = record["exact"]
    return {
        "library": dict(record["library"]),
        "comparisons": record["comparisons"],
        "screened": record["screened"],
        "compared": record["compared"],
        "exact": {
            "root": len(exact["root"]),
            "files": len(exact["files"]),
            "tensors": max((t["equal"] for t in exact["tensors"]), default=0),
        },
        "finding": relatives[0]["finding"] if relatives else NOTHING,
        "relatives": relatives[:MOST],
        "count": len(relatives),
        "near_misses": len(record["near_misses"]),
    }


def _relative(r: Mapping[str, Any]) -> dict[str, Any]:
    entry = r["entry"]
    return {
        "id": entry["id"], "name": entry["name"], "fingerprint": entry["fingerprint"], "root": entry["root"],
        "finding": r["finding"], "stage": r["stage"], "scope": r["scope"], "p": r["p"], "rho": r["rho"],
        "sentence": str(r["sentence"])[:1000],
    }  # fmt: skip
