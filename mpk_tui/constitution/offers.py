"""Which mechanisms the conditions that are answered met leave open."""

from __future__ import annotations

from collections.abc import Mapping

from mpk_tui.constitution.answers import MET, Answer
from mpk_tui.constitution.norm import Norm


def not_offered(norm: Norm, answers: Mapping[str, Answer]) -> dict[str, str]:
    """Mechanisms that can serve none of the conditions answered met, each with a sentence why.

    A mechanism names how a condition came about, so that without a condition there is none to name.

    Args:
        norm: Version of the constitution, whose mechanisms carry the conditions that they can serve.
        answers: By question id.
    """
    met = [c for c in norm.order if c in answers and answers[c].answer == MET]
    said = _listed(met)
    out = {}
    for mechanism, item in norm.mechanisms.items():
        if set(item.conditions) & set(met):
            continue
        serves = f"{mechanism} can serve {_listed(item.conditions)}"
        out[mechanism] = f"{serves}; {f'answered met is {said}' if met else 'no condition is answered met'}."
    return out


def _listed(ids: list[str] | tuple[str, ...]) -> str:
    return ", ".join(i.upper() for i in ids)
