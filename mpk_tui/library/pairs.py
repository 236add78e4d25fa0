"""Relatives compared with each other, for the graph of a family."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from mpk_tui.errors import CancelledError, MpkError
from mpk_tui.library.catalogue import Catalogue
from mpk_tui.library.judging import Judged, judged_pair
from mpk_tui.lineage import findings, record
from mpk_tui.progress import CancelToken, Meter, Report


def compared_pairs(
    catalogue: Catalogue, best: Sequence[Judged], entries: int, report: Report, cancel: CancelToken
) -> list[dict[str, Any]]:
    """Findings between relatives.

    Args:
        catalogue: The library.
        best: Relatives that are compared with each other.
        entries: Number of models that were looked at: any two of them could have come out beside each other, so their
            number of pairs is in the significance.
        report: Progress in pairs.
        cancel: Polled within comparisons.
    """
    todo = list(itertools.combinations(best, 2))
    meter = Meter(report, "comparing relatives", len(todo), "pairs")
    out = []
    for a, b in todo:
        cancel.check()
        try:
            many = max(1, entries * (entries - 1) // 2)
            measured, finding = judged_pair(a.side, b.side, many, cancel)
        except CancelledError:
            raise
        except MpkError:
            continue
        finally:
            meter.add(1, a.entry.name)
        rhos = [t.rho for t in findings.of_body(measured.tests)]
        out.append(
            {
                "a": a.entry.id, "b": b.entry.id, "finding": finding.name, "sentence": finding.sentence + ".",
                "p": record.p_value(finding.log_p), "p_is_bound": finding.log_p < math.log(findings.P_FLOOR),
                "rho": record.rounded(max(rhos)) if rhos else None,
                "components": [record.part_record(p) for p in measured.parts],
            }
        )  # fmt: skip
    return out
