"""What a comparison out of a bundle is drawn from; a stranger's record may have any shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.outcome import Outcome
from mpk_tui.fingerprint.hashing import TensorHash
from mpk_tui.tui.screens.verify.part import Rows
from mpk_tui.tui.views import Tensors, views
from mpk_tui.tui.widgets.comparison import AT_ONCE


def tensors_of(outcome: Outcome, contents: Contents, pair: str) -> Tensors | None:
    """The tensors of both artifacts of a pair, as the bundle lists them; None where one list is not all there."""
    names = [f"tensors.{side}" for side in pair.split(":")]
    whole = {s.id for s in outcome.sections if s.state == "intact"}
    if len(names) != 2 or not whole.issuperset(names):
        return None
    sides: list[Sequence[TensorHash]] = [
        Rows(contents.sections[name], lambda _, r: TensorHash(r[0], r[1], tuple(r[2]), r[3], r[4])) for name in names
    ]
    return sides[0], sides[1]


def misshapen(record: Mapping[str, Any], tensors: Tensors | None) -> str:
    """Why a record cannot be drawn as a comparison; empty if it can.

    Args:
        record: From a stranger's bundle.
        tensors: Of both sides, where the bundle has them.
    """
    if tensors is not None and sum(map(len, tensors)) > AT_ONCE:
        return ""  # its views are made in a thread, which says so if it cannot
    try:
        views(record, tensors)
    except Exception as error:
        # Signed by a stranger and of the right shape only on the outside: it must not end the session.
        return f"This record does not have the shape of a comparison ({type(error).__name__}); its values one by one."
    return ""
