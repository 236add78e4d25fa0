"""A comparison record read back from a file: its shape checked, everything that reports need, nothing believed.

A record is untrusted: anyone can write one, and it carries no signature (a bundle does).  Keys that later versions add
are let pass; keys that are missing get their empty value; a key of the wrong type ends in a sentence that names it.
Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mpk_tui import canonical
from mpk_tui.checkpoint import strictjson
from mpk_tui.errors import LimitError, MalformedError, UnsupportedError
from mpk_tui.report import figures_profile
from mpk_tui.report.fields import Fields

SCHEMA = "mpk-tui/compare/1"
MAX_BYTES = 32 << 20
"""A record larger than this is refused before it is parsed."""


@dataclass(frozen=True)
class Model:
    """One side.

    Attributes:
        label: What its file or folder is called; untrusted.
        kind: ``checkpoint`` or ``fingerprint``.
        format: Of the files.
        family: Row of the architecture table.
        scope: ``transformer-lm`` or what it is instead.
        parameters: Stored elements.
        tensors: Number of tensors.
        root: Root digest of the tensors, hexadecimal.
    """

    label: str
    kind: str
    format: str
    family: str
    scope: str
    parameters: int
    tensors: int
    root: str


@dataclass(frozen=True)
class OneTest:
    """One test, run or not.

    Attributes:
        name: Of the test.
        family: What it looks at.
        ran: Whether it has a result.
        reason: Why not, or why it abstains.
        p: p-value, None where it has none.
        p_is_bound: ``p`` is an upper bound.
        layers: Pairs of layers (or matrices) looked at.
        counted: What they are: ``layers``, or ``blocks`` where layers have experts.
        matched: Pairs of layers whose p is at most the record's threshold.
        reading: What a discriminator says, or an empty string.
    """

    name: str
    family: str
    ran: bool
    reason: str
    p: float | None
    p_is_bound: bool
    layers: int
    counted: str
    matched: int
    reading: str


@dataclass(frozen=True)
class Component:
    """A part with a finding of its own.

    Attributes:
        name: In words.
        kind: ``layers``, ``attention``, ``embeddings``, ``tensors`` and so on.
        finding: What holds for it.
        equal: Tensors of it that are equal byte for byte.
    """

    name: str
    kind: str
    finding: str
    equal: tuple[str, ...]


@dataclass(frozen=True)
class Mechanism:
    """A mechanism by the constitution's number, and whether anything speaks against it."""

    number: str
    against: bool


@dataclass(frozen=True)
class Tensors:
    """Every tensor accounted for.

    Attributes:
        equal: Pairs equal byte for byte.
        converted: Pairs equal after a conversion.
        unread: Pairs that were not read.
        differing: Names of A's tensors that differ.
        alone: Tensors that one side has and the other has not.
        conversions: What made tensors equal.
        lossless: No conversion loses anything.
    """

    equal: int
    converted: int
    unread: int
    differing: tuple[str, ...]
    alone: tuple[str, ...]
    conversions: tuple[str, ...]
    lossless: bool


@dataclass(frozen=True)
class Comparison:
    """A comparison record, as far as reports need it.

    Attributes:
        version: Of the tool that made it.
        numpy: Version of NumPy that computed it.
        a: One side.
        b: The other.
        finding: Its name, not yet known to be one of ours.
        p: Combined p-value, None where the record has none.
        p_is_bound: ``p`` is an upper bound.
        families: Number of forms that p was multiplied by.
        comparisons: Number of models that the pair was chosen from; p was multiplied by it, too.  0 where none is
            stated: the pair was named.
        tests: Every test, run or not.
        tensors: Every tensor accounted for.
        components: Findings for parts.
        mechanisms: Best first.
        context: Number of similarity scores that it carries as context.
    """

    version: str
    numpy: str
    a: Model
    b: Model
    finding: str
    p: float | None
    p_is_bound: bool
    families: int
    comparisons: int
    tests: tuple[OneTest, ...]
    tensors: Tensors
    components: tuple[Component, ...]
    mechanisms: tuple[Mechanism, ...]
    context: int


def parse(data: bytes, where: str) -> Comparison:
    """Read a record from JSON (as ``compare --json`` prints it) or from the canonical file that a case keeps.

    Raises:
        LimitError: Larger than `MAX_BYTES`, or a list longer than `fields.MAX_ITEMS`.
        MalformedError: Not a comparison record, or a field of the wrong type.
        UnsupportedError: A record of another version.
    """
    if len(data) > MAX_BYTES:
        raise LimitError(f"a record of more than {MAX_BYTES} bytes", where=where)
    # A canonical map starts with a byte that no UTF-8 text can start with.
    value = canonical.decode(data, where=where) if data[:1] >= b"\x80" else strictjson.parse(data, where)
    return from_record(value, where)


def from_record(value: Any, where: str) -> Comparison:
    """Check a record that was decoded already; errors as in `parse`."""
    if not isinstance(value, Mapping):
        raise MalformedError("not a comparison record", where=where, hint=_HINT)
    r = Fields(value, where, "")
    schema = r.text("schema")
    if schema != SCHEMA:
        if schema.startswith("mpk-tui/compare/"):
            raise UnsupportedError(f"a record of the kind {schema!r}", where=where, hint="Use a newer mpk-tui")
        raise MalformedError(f"not a comparison record (schema {schema[:80]!r})", where=where, hint=_HINT)
    if not r.text("finding"):
        raise MalformedError("field 'finding' is not there", where=where, hint=_HINT)
    identity, tool = r.map("identity"), r.map("tool")
    figures_profile.check(r.map("profile"))
    return Comparison(
        version=tool.text("version"),
        numpy=tool.text("numpy"),
        a=_model(r.map("a", needed=True)),
        b=_model(r.map("b", needed=True)),
        finding=r.text("finding"),
        p=r.chance("p"),
        p_is_bound=r.flag("p_is_bound"),
        families=r.count("families"),
        comparisons=r.count("comparisons"),
        tests=tuple(_test(t) for t in r.maps("tests")),
        tensors=Tensors(
            identity.count("equal"),
            identity.count("converted"),
            identity.count("unread"),
            tuple(d.text("a") for d in identity.maps("differing")),
            identity.texts("only_a") + identity.texts("only_b"),
            identity.texts("conversions"),
            identity.flag("lossless", True),
        ),
        components=tuple(
            Component(c.text("name"), c.text("kind"), c.text("finding"), c.texts("equal")) for c in r.maps("components")
        ),
        mechanisms=tuple(Mechanism(m.text("number"), bool(m.texts("against"))) for m in r.maps("mechanisms")),
        context=sum(1 for _ in r.maps("context")),
    )


_HINT = "Make one with: mpk-tui compare A B --json > record.json"


def _model(m: Fields) -> Model:
    return Model(
        m.text("label"), m.text("kind"), m.text("format"), m.text("family"), m.text("scope"), m.count("parameters"),
        m.count("tensors"), m.text("root"),
    )  # fmt: skip


def _test(t: Fields) -> OneTest:
    threshold = t.map("parameters").number("layer_p")
    least = 1e-3 if threshold is None else threshold
    # A test over the whole model has one row without a layer: its number is negative.
    layers = [layer.chance("p") for layer in t.maps("layers") if (layer.number("a") or 0) >= 0]
    counted = "blocks" if any(layer.number("expert_a") is not None for layer in t.maps("layers")) else "layers"
    return OneTest(
        t.text("name"), t.text("family"), t.flag("ran"), t.text("reason"), t.chance("p"), t.flag("p_is_bound"),
        len(layers), counted, sum(p is not None and p <= least for p in layers), t.text("reading"),
    )  # fmt: skip
