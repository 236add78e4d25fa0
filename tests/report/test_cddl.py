"""The published CDDL is the one that runs, and an implementation of CDDL that is not ours agrees with our checkers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2
import jsonschema
import pycddl
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bundle"))

import workshop as w

from mpk_tui import canonical
from mpk_tui.bundle.schema import Reading
from mpk_tui.errors import LimitError, MalformedError
from mpk_tui.report import cddl
from mpk_tui.report.schemas import all_schemas

ROOT = Path(__file__).parents[2]
TEXT = cddl.render()


def schema(rule: str) -> pycddl.Schema:
    """The file with another rule first, which is the one that CDDL starts from."""
    return pycddl.Schema(f"root = {rule}\n{TEXT}")


def parts() -> list[tuple[str, Any]]:
    """Rule and decoded value of everything that a bundle is made of."""
    made = w.endorsed(w.sealed(), w.BERT)
    out = [("bundle", canonical.decode(made.to_bytes())), ("manifest", canonical.decode(made.payload))]
    out.append(("endorsement", canonical.decode(made.endorsements[0].body)))
    for blob in made.blobs:
        family = blob.id.partition(".")[0]
        if f"section-{family}" in cddl.rules():
            out.append((f"section-{family}", canonical.decode(blob.data)))
        elif f"item-{family}" in cddl.rules():
            out += [(f"item-{family}", row) for row in canonical.decode(blob.data)]
    return out


def test_the_file_on_disk_is_fresh() -> None:
    assert (ROOT / "schemas" / cddl.NAME).read_text(encoding="utf-8") == TEXT, (
        "stale; run: python -m mpk_tui.report.schemas schemas"
    )


def test_every_section_has_a_rule() -> None:
    assert {r.partition("-")[2] for r, _ in parts() if r.startswith(("section-", "item-"))} == {
        r.partition("-")[2] for r in cddl.rules() if r.startswith(("section-", "item-"))
    }


@pytest.mark.parametrize("rule", sorted(cddl.rules()))
def test_the_other_implementation_accepts_what_we_write(rule: str) -> None:
    checker = schema(rule)
    for name, value in parts():
        if name == rule:
            checker.validate_cbor(cbor2.dumps(value))


def broken(value: Any) -> Iterator[Any]:
    """Every version of a value with a field of some map left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield {k: v for k, v in value.items() if k != name}
            for changed in broken(inner):
                yield {**value, name: changed}
    if isinstance(value, list) and value:
        for changed in broken(value[0]):
            yield [changed, *value[1:]]


def test_the_other_implementation_refuses_what_we_refuse() -> None:
    """Missing fields only: pycddl 0.6 takes an array for a choice and lets more fields pass in maps within arrays."""
    refused = 0
    for rule, value in parts():
        if rule in ("bundle", "section-findings", "section-features"):
            continue
        checker = schema(rule)
        for changed in broken(value):
            if _accepts(rule, changed):
                continue
            with pytest.raises(pycddl.ValidationError):
                checker.validate_cbor(cbor2.dumps(changed))
            refused += 1
    assert refused > 100


def _accepts(rule: str, value: Any) -> bool:
    try:
        cddl.rules()[rule](value, rule, Reading())
    except (MalformedError, LimitError):
        return False
    return True


def test_the_norm_follows_its_schema() -> None:
    for path in (ROOT / "mpk_tui" / "constitution").glob("norm-*.json"):
        jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), all_schemas()["norm-1.json"])
