"""L3: the features of a local checkpoint against those in a bundle, where no digest can match.

Weights in another number format have other bytes, so neither L1 nor L2 can find them.  Their features are nearly the
same: on a small trained model a cast to F16 or F32 moved none of them by more than 1e-5 (relative, root of summed
squares), 8-bit rounding by less than 0.01, 4-bit rounding by 0.10 to 0.15, and so did 200 further steps of training;
an independent twin lay at 1.41.  So a distance up to `TOLERANCE` supports that these are the weights that were
examined, in another form or very lightly changed; above it nothing is supported.  Support never replaces L1 or L2 and
never changes a verdict.

NumPy is imported inside the functions alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.outcome import Outcome
from mpk_tui.errors import CancelledError, MpkError
from mpk_tui.progress import CancelToken, Report, silent
from mpk_tui.records import dataclass, replace

TOLERANCE = 0.01
"""Relative distance of each feature up to which it supports."""
LEAST = 2
"""Features that must be comparable before anything is said."""


@dataclass(frozen=True)
class Support:
    """What features say about a checkpoint.

    Attributes:
        artifact: The nearest artifact, or None where nothing was comparable.
        supports: Whether every comparable feature lies within `TOLERANCE`.
        sentence: In words.
        distances: Relative distance by feature id.
    """

    artifact: str | None
    supports: bool
    sentence: str
    distances: Mapping[str, float]

    def as_record(self) -> dict[str, Any]:
        """Plain form, as ``verify --json`` prints it."""
        return {
            "artifact": self.artifact, "supports": self.supports, "sentence": self.sentence, "tolerance": TOLERANCE,
            "distances": dict(self.distances),
        }  # fmt: skip


def with_features(
    outcome: Outcome, contents: Contents, report: Report = silent, cancel: CancelToken | None = None
) -> Outcome:
    """Look at the features of every checkpoint whose tensors did not match; verdicts stay as they are.

    Args:
        outcome: After `mpk_tui.bundle.local.recheck.recheck`.
        contents: What the bundle says.
        report: Progress.
        cancel: Polled between chunks.
    """
    records = []
    for record in outcome.checkpoint:
        lists = record["tensors"]
        equal = lists["same"] and not (lists["changed"] or lists["extra"])
        found = None if equal else support(contents, Path(record["path"]), report, cancel).as_record()
        records.append({**record, "features": found})
    return replace(outcome, checkpoint=tuple(records))


def support(contents: Contents, path: Path, report: Report = silent, cancel: CancelToken | None = None) -> Support:
    """The artifact whose features a checkpoint's come nearest to, and whether they support that it is the one."""
    try:
        import numpy as np
    except ImportError:
        return Support(None, False, "features were not compared: numpy is not installed here", {})
    from mpk_tui.checkpoint.open import open_checkpoint
    from mpk_tui.fingerprint.build import fingerprint

    try:
        with np.errstate(all="ignore"):
            local = fingerprint(open_checkpoint(path, cancel), report, cancel)
    except CancelledError:
        raise
    except MpkError as error:
        return Support(None, False, f"features were not compared: {error.diagnosis()}", {})
    best: tuple[float, str, dict[str, float]] | None = None
    for artifact in contents.artifacts:
        rows = contents.sections.get(f"features.{artifact['id']}", ())
        distances = _distances(rows, local.features)
        if len(distances) >= LEAST and (best is None or max(distances.values()) < best[0]):
            best = max(distances.values()), artifact["id"], distances
    if best is None:
        return Support(None, False, "features were not compared: the bundle holds none that fit this checkpoint", {})
    worst, name, distances = best
    label = (contents.artifact(name) or {}).get("label", "")
    if worst <= TOLERANCE:
        said = (
            f"features support that these are the weights of {name} ({label}) in another number format, or very "
            f"lightly changed: the greatest relative distance is {worst:.2g}, tolerance {TOLERANCE}. This is no match "
            "of tensors, and the verdict does not rest on it"
        )
    else:
        said = (
            f"features do not support that these are weights of the bundle: the nearest, {name} ({label}), lies at a "
            f"relative distance of {worst:.2g}, tolerance {TOLERANCE}"
        )
    return Support(name, worst <= TOLERANCE, said, distances)


def _distances(rows: Any, local: Mapping[str, Any]) -> dict[str, float]:
    """Relative distance of each feature that both have, made in the same way and of the same shape."""
    import numpy as np

    out = {}
    for row in rows:
        mine = local.get(row["id"])
        kinds = row["dtype"], mine.dtype if mine else ""
        if mine is None or any(not k.startswith("<f") for k in kinds):
            continue
        how = (row["version"], tuple(row["shape"]), _chosen(row["params"]))
        if how != (mine.version, mine.shape, _chosen(mine.params)):
            continue
        theirs = np.frombuffer(row["data"], row["dtype"]).astype(np.float64)
        ours = np.frombuffer(mine.data, mine.dtype).astype(np.float64)
        size = float(np.linalg.norm(theirs))
        distance = float(np.linalg.norm(ours - theirs)) / size if size > 0 else float("inf")
        if np.isfinite(distance):
            out[row["id"]] = distance
    return out


def _chosen(params: Mapping[str, Any]) -> dict[str, Any]:
    """What was chosen when a feature was made; strengths that were measured are left out."""
    return {k: v for k, v in params.items() if not isinstance(v, float) and not _measured(v)}


def _measured(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(x, float) or _measured(x) for x in value)
