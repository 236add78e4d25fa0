"""A comparison in plain words, for a reader who decides about licences and not about matrices: one page of text.

What was asked, what was compared, what was found, how sure that is, which tests ran, what it does not say, and how to
check it.  Every finding has words of its own; none says more than was measured.  Standard library only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from mpk_tui.constitution import norm
from mpk_tui.errors import UnsupportedError
from mpk_tui.report.comparison import Comparison, Model, OneTest
from mpk_tui.report.lines import NBSP, wrap
from mpk_tui.report.wording import PARTS, READINGS, TESTS, WORDS, Words
from mpk_tui.text import clean

LINES = 70
"""Lines of the page at most."""
_LABEL = 32
_SHOWN = 8
_ORIGIN = 1e-12
_NOTHING = 1e-6
_COMMON = 0.01
"""From this p on nobody would call it a sign."""


_RESEMBLES = ("shared-trained-ancestor", "component-shared", "shared-initialisation", "common-origin-unresolved")
_OF_PARTS = ("component-shared", "common-origin-unresolved")
_BY_EQUALITY = ("identical", "reformatted", "near-identical")


def explain(c: Comparison) -> list[str]:
    """The page, line by line, at most `WIDTH` columns wide; every untrusted word is escaped.

    Args:
        c: A record whose shape was checked.

    Raises:
        UnsupportedError: It holds a finding that this version has no words for.
    """
    words = WORDS.get(c.finding)
    if words is None:
        raise UnsupportedError(
            f"the finding {c.finding[:80]!r} has no explanation in this version", hint="Use a newer mpk-tui"
        )
    sections = (
        ("WHAT WAS ASKED", _asked()),
        ("WHAT WAS COMPARED", _compared(c)),
        (f"WHAT WAS FOUND: {words.title}", _found(c, words)),
        ("HOW SURE THAT IS", _sure(c)),
        ("WHICH TESTS RAN", _tests(c)),
        ("WHAT IT DOES NOT SAY", _not_meant(c, words)),
        ("HOW TO CHECK IT", _check(c)),
    )
    out: list[str] = []
    for title, blocks in sections:
        out += ["", title] if out else [title]
        for first, rest, text in blocks:
            out += wrap(text, first, rest)
    return out


Block = tuple[str, str, str]
"""Indent of the first line, of the others, and text."""


def _plain(text: str) -> Block:
    return "  ", "  ", text


def _item(text: str) -> Block:
    return "  - ", "    ", text


def _asked() -> Iterator[Block]:
    yield _plain(
        "Do the stored numbers of these two models (their weights) show a common origin? If so: a model that had been "
        "trained already, or only the random numbers from which training begins?"
    )


def _compared(c: Comparison) -> Iterator[Block]:
    for name, model in (("A", c.a), ("B", c.b)):
        yield f"  {name}  ", "     ", f"{_name(model)}: {_size(model)}"
        if model.root:
            yield "     ", "     ", f"weights' digest {_digest(model.root)}"
    yield _plain("Names, makers, vocabularies and settings are no evidence here, and were not used as such.")


def _name(model: Model) -> str:
    return f"“{clean(model.label, _LABEL)}”" if model.label else "without a name"


def _size(model: Model) -> str:
    what = f"{model.parameters:,} numbers in {model.tensors:,} tables (tensors)"
    source = " from its fingerprint file, weights not at hand" if model.kind == "fingerprint" else ""
    return f"{what}{source}"


def _digest(root: str) -> str:
    head = clean(root[:16], 16)
    return f"{' '.join(head[k : k + 4] for k in range(0, len(head), 4))} … (first 16 of {len(root)} digits)"


def _found(c: Comparison, words: Words) -> Iterator[Block]:
    yield _plain(words.meaning + _variant(c))
    t = c.tensors
    total = t.equal + t.converted + t.unread + len(t.differing)
    if total:
        counted = (
            (t.equal, "equal byte for byte"), (t.converted, "equal after conversion"), (len(t.differing), "different"),
            (t.unread, "not read"), (len(t.alone), "on one side only"),
        )  # fmt: skip
        yield _plain(f"Tables compared: {total:,}; {', '.join(f'{n:,} {what}' for n, what in counted if n)}.")
    if c.finding == "reformatted" and t.conversions:
        yield _plain(f"Conversions: {_listed(t.conversions, 3)}.")
    if c.finding == "near-identical":
        yield _plain(f"Not equal: {_listed(t.differing + t.alone, 4)}.")
    if c.finding in _OF_PARTS:
        for part in c.components[:3]:
            holds = PARTS.get(part.finding) or clean(part.finding, 40)
            yield _item(f"{clean(part.name, 60)}: {holds}{f' ({len(part.equal):,} tables)' if part.equal else ''}")
        if len(c.components) > 3:
            yield _item(f"and {len(c.components) - 3} further parts in the record")
    elif c.components:
        yield _plain(f"Parts with findings of their own: {len(c.components)}, all in the record.")
    fits = [m for m in c.mechanisms if not m.against] or list(c.mechanisms)
    if fits and c.finding in ("near-identical", "shared-trained-ancestor"):
        title = _mechanism(fits[0].number)
        if title:
            yield _plain(f"Of the ways in which models are made from models, {title} fits best.")
    if _outside(c):
        yield _plain(
            "The Model Provenance Constitution speaks of transformer language models only; for this pair "
            f"({clean(', '.join(_outside(c)), 60)}) it gives no verdict."
        )
    else:
        yield _plain(f"Under the Model Provenance Constitution 1.0.0 the pair {_weighs(c, words)}")


def _weighs(c: Comparison, words: Words) -> str:
    if c.finding == "component-shared" and not _in_body(c):
        return (
            "counts as independent by default: what is shared lies outside the layers, where parts are shared "
            "legitimately; documents decide."
        )
    return words.weighs


def _in_body(c: Comparison) -> bool:
    """Whether a part of the layers, and not only a table outside them, has a common trained ancestor."""
    return any(p.finding == "component-shared" and p.kind not in ("embeddings", "tensors") for p in c.components)


def _mechanism(number: str) -> str:
    """The constitution's own title, whatever the record says; empty if there is no such mechanism."""
    item = norm.load().mechanisms.get(number)
    return item.title.lower() if item else ""


def _variant(c: Comparison) -> str:
    """What depends on more than the name of the finding."""
    if c.finding == "reformatted":
        return (
            " No digit is lost."
            if c.tensors.lossless
            else " Digits are lost on the way: one side is the other, rounded."
        )
    if c.finding == "common-origin-unresolved":
        if not c.families or (c.p is not None and c.p >= _NOTHING):
            return " Here it is tables that are equal byte for byte; the statistical tests show no likeness."
        body = [t.p for t in c.tests if t.ran and t.p is not None and t.name != "residual.embeddings"]
        if all(p >= _NOTHING for p in body):
            return " Here it is the word tables that correspond; no layer does."
        if c.p is not None and c.p >= _ORIGIN and not c.p_is_bound:
            return " The likeness is weak."
    return ""


def _sure(c: Comparison) -> Iterator[Block]:
    if c.finding in _BY_EQUALITY:
        yield _plain(
            "This rests on equality and not on statistics: each table was compared by its SHA-256 digest or number by "
            "number. No two different tables with one such digest are known to anyone."
        )
        return
    if c.finding == "component-shared" and not _in_body(c):
        yield _plain(
            "This rests on equality and not on statistics: the named tables hold learned numbers and are equal byte "
            "for byte. Two training runs that differ in anything do not end in equal numbers."
        )
        return
    if not c.families or c.p is None:
        yield _plain("No test gave a p-value, so nothing can be said about chance.")
        return
    paid = f" The {c.families} kinds of test use the same numbers; p was raised {c.families}-fold to pay for that."
    if c.comparisons > 1:
        chosen = f" The pair was chosen from {c.comparisons:,} models; p was raised {c.comparisons:,}-fold for that."
    else:
        chosen = ""
    sign = ""
    if c.p >= _NOTHING:
        sign = "no sign of one; " if c.p >= _COMMON else "too weak a sign, one in a million is asked for; "
    yield _plain(
        f"First step, a common origin: {sign}{odds(c.p, c.p_is_bound)}. This p-value bounds how often two models that "
        "began from separately drawn random numbers would look this much alike, whatever data, recipe or vocabulary "
        "they share. It is not the probability that the models are independent."
        + (paid if c.families > 1 else "")
        + chosen
    )
    if c.finding not in _RESEMBLES:
        yield _plain("There was no second step: without a common origin there is nothing to tell apart.")
        return
    yield _plain(f"Second step, a trained model or only a starting point: {_second(c)}")


def _second(c: Comparison) -> str:
    retention = next((t for t in c.tests if t.name == "retention"), None)
    part = c.finding == "component-shared"
    if not part and (retention is None or not retention.ran):
        return "it did not run, so this question stays open."
    rule = "no p-value exists for this step. It is a rule that was tried on pairs whose history is known"
    if not part and c.finding != "shared-trained-ancestor":
        return f"{rule}; it would rather miss a trained ancestor than name one wrongly."
    rate = error_rate()
    return (
        f"{rule}. Of {rate.pairs:,} pairs that share only a starting point it called {rate.wrong:,} a trained "
        f"ancestor: an error rate of at most {100 * rate.upper:.1f}{NBSP}% (at the 95{NBSP}% level). Those were "
        f"{rate.models}; for other models{', and for parts of models,' if part else ''} the rate may differ."
    )


def odds(p: float, bound: bool) -> str:
    """A p-value as a count of cases, never below one in a million million."""
    if p <= _ORIGIN:
        return f"fewer than 1 in 1,000,000,000,000 cases ({_p(p)})"
    at_most = "at most " if bound else "about "
    if p >= 0.01:
        return f"{at_most}{100 * p:.0f} in 100 cases ({_p(p)})"
    digits = math.floor(math.log10(1 / p)) - 1
    return f"{at_most}1 in {round(1 / p, -digits):,.0f} cases ({_p(p)})"


def _tests(c: Comparison) -> Iterator[Block]:
    if c.finding in ("identical", "reformatted") and not any(t.ran for t in c.tests):
        yield _plain("Every table was compared; as all are equal, nothing was left for the statistical tests.")
        return
    ran = [t for t in c.tests if t.ran]
    if ran:
        yield _plain(
            "Each of the first step asks whether the same parts sit in the same places of both models. Inner units are "
            "the small switches of a layer; shared words are those of both vocabularies."
        )
    for test in ran[:_SHOWN]:
        yield _item(f"{_title(test)}: {_outcome(test)}")
    if ran[_SHOWN:]:
        yield _item(f"and {len(ran) - _SHOWN} more, in the record")
    idle: dict[str, list[str]] = {}
    for test in c.tests:
        if not test.ran:
            idle.setdefault(clean(test.reason, 160) or "the record gives no reason", []).append(_title(test))
    for reason, titles in list(idle.items())[:_SHOWN]:
        yield _item(f"Did not run: {'; '.join(titles[:3])}{' and others' if titles[3:] else ''}. Reason: {reason}.")
    if not c.tests:
        yield _plain("The record lists none.")
    if c.context:
        yield _plain("Similarity scores stand in the record as context; none of them counted.")


def _title(t: OneTest) -> str:
    return TESTS.get(t.name) or clean(t.family or t.name, 60) or "a test without a name"


def _outcome(t: OneTest) -> str:
    if t.reading:
        reason = f" ({clean(t.reason, 120)})" if t.reason else ""
        return f"{READINGS.get(t.reading, 'gives no reading')}{reason}."
    told = [f"{t.matched} of {t.layers} {t.counted} match"] if t.layers else []
    told += [] if t.p is None else [_p(t.p)]
    return f"{', '.join(told) or 'the record gives no numbers'}."


def _p(p: float) -> str:
    """A p-value that no line break tears apart."""
    return f"p{NBSP}<{NBSP}1e-12" if p <= _ORIGIN else f"p{NBSP}={NBSP}{p:.2g}"


def _not_meant(c: Comparison, words: Words) -> Iterator[Block]:
    for text in words.not_meant:
        yield _item(text)
    yield _item(
        "Anything about licences or rights. Whether terms carry over from one model to another, and were kept, is a "
        "question of law and documents."
    )
    yield _item("Anything about intent, or about who did what and when. Nor does like behaviour mean shared weights.")


def _outside(c: Comparison) -> list[str]:
    return sorted({m.scope for m in (c.a, c.b)} - {"transformer-lm", ""})


def _check(c: Comparison) -> Iterator[Block]:
    version = f" {clean(c.version, 20)}" if c.version else ""
    library = f", NumPy {clean(c.numpy, 20)}" if c.numpy else ""
    yield _plain(
        f"On your own copies of both run: mpk-tui compare A B --json (this was version{version}{library}). Random "
        "draws have fixed seeds: the same files on the same platform give the same record, byte for byte. The digests "
        "above tell whether your copies hold the same weights; mpk-tui fingerprint prints them."
    )
    yield _plain(
        "This page repeats a record that bears no signature. An evidence bundle does; mpk-tui verify checks it offline."
    )


def _listed(names: tuple[str, ...], most: int) -> str:
    shown = ", ".join(clean(n, 60) for n in names[:most])
    return f"{shown} and {len(names) - most} more (all in the record)" if len(names) > most else shown


# ------------------------------------------------------------------------------------------- error rate


@dataclass(frozen=True)
class ErrorRate:
    """How often the empirical step was wrong on pairs whose truth is known.

    Attributes:
        pairs: Pairs tried.
        wrong: Wrong ones among them.
        models: What they were.
        upper: Upper limit of the rate at the 95 % level, taking pairs for independent.
    """

    pairs: int
    wrong: int
    models: str
    upper: float


@cache
def error_rate() -> ErrorRate:
    """The measured rate that ships with this version, as data beside the tests that it belongs to."""
    # By its path: importing the package beside it is for those who compare.
    text = resources.files("mpk_tui").joinpath("lineage", "error-rate.json").read_text(encoding="utf-8")
    data = json.loads(text)
    pairs, wrong = int(data["pairs"]), int(data["wrong"])
    return ErrorRate(pairs, wrong, str(data["models"]), upper_limit(wrong, pairs))


def upper_limit(wrong: int, pairs: int, level: float = 0.95) -> float:
    """Exact one-sided upper limit of a rate (Clopper and Pearson 1934), rounded up to a tenth of a per cent.

    That is the rate at which ``wrong`` or fewer errors in ``pairs`` trials have probability 1 - ``level``.
    """
    low, high = 0.0, 1.0
    if wrong >= pairs:
        return 1.0
    for _ in range(60):
        rate = (low + high) / 2
        below = sum(math.comb(pairs, k) * rate**k * (1 - rate) ** (pairs - k) for k in range(wrong + 1))
        low, high = (rate, high) if below > 1 - level else (low, rate)
    return math.ceil(1000 * high) / 1000
