"""Codes of other frameworks that a provenance verdict bears on: a map for filing, no statement about any of them.

Codes stand verbatim and without titles, because editions word them differently.  They come with the norm's data file.
"""

from __future__ import annotations

from mpk_tui.constitution.norm import Norm, load

DISCLAIMER = (
    "This is a map, so that a reader finds the places where such a report is asked for. It is no statement "
    "that anybody "
    "or anything conforms to a framework, and none of them has examined this report. Codes are given verbatim and "
    "without titles: editions word them differently; look them up in the edition that binds you."
)


def codes(norm: Norm | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Frameworks and their codes, in the norm's order; of the current norm where the bundle's is not carried."""
    return tuple((f["name"], tuple(f["codes"])) for f in (norm or load()).data["frameworks"])
