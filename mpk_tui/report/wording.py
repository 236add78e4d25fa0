"""What findings and tests are called and mean, in plain words: data for reports, one entry a finding.

No entry says more than was measured; words that accuse, or that promise more than a measurement can, have no place
here (a test looks for them).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """What a finding is in plain words.

    Attributes:
        title: Its name for people.
        meaning: What it says, as a definition.
        not_meant: What it does not mean, beyond what no finding means.
        weighs: How it counts under the constitution.
    """

    title: str
    meaning: str
    not_meant: tuple[str, ...]
    weighs: str


_DIRECTION = (
    "Which of the two came first, or that one was made from the other. Both may come from a third model that anyone "
    "could download. Documents decide that, weights do not."
)
_BUT_INDEPENDENT = (
    "That the two were made independently. Training on another model's answers (distillation), or on text that it "
    "wrote, leaves no trace that these tests could see, and a model altered so that every tested part is re-ordered or "
    "replaced is not found."
)

WORDS = {
    "identical": Words(
        "identical",
        "The two hold the same numbers, byte for byte, under the same names. As far as weights go they are one model "
        "that is stored twice.",
        (
            "That everything else is the same. Only weights were compared: configuration, vocabulary, licence text and "
            "model card may differ.",
            "Which of the two was there first, or how the second came to be.",
        ),
        "counts as linked by identity, once an analyst confirms it.",
    ),
    "reformatted": Words(
        "the same numbers in another form",
        "The two hold the same numbers, stored in different ways. After the conversions named below nothing is left "
        "over on either side.",
        (
            "That everything else is the same. Only weights were compared: configuration, vocabulary, licence text and "
            "model card may differ.",
            "Which of the two was there first, or who made the conversion.",
        ),
        "counts as linked by a conversion without training, once an analyst confirms it.",
    ),
    "near-identical": Words(
        "nearly identical",
        "Most tables of the two are equal and a few are not; the record names each that differs. Such equality comes "
        "about when most of a model is carried over untouched.",
        (
            "That the few differing tables do not matter. One changed table can change what a model does.",
            "That the equal tables were ever trained. Tables that keep their starting numbers are equal, too.",
            _DIRECTION,
        ),
        "counts as linked through a common trained ancestor, once an analyst confirms it.",
    ),
    "shared-trained-ancestor": Words(
        "a shared trained ancestor",
        "Somewhere in the past of both lies one model that had already been trained, and weights of it live on in "
        "both. That model may be one of the two, or a third.",
        (
            _DIRECTION,
            "How the later one was made. Fine-tuning, merging, compression and others come into question; the record "
            "ranks those that fit.",
        ),
        "counts as linked through a common trained ancestor, once an analyst confirms it.",
    ),
    "component-shared": Words(
        "a shared part",
        "A part of the two models, named below, has a common trained ancestor. Nothing of the kind was established "
        "for the whole.",
        (
            "That the models as wholes have a common trained ancestor.",
            "That sharing a part is unusual: published parts, such as image encoders or word tables, are built into "
            "many models.",
            _DIRECTION,
        ),
        "counts as linked in the named part, once an analyst confirms it. Provenance by part is a known gap of the "
        "constitution: name the part.",
    ),
    "shared-initialisation": Words(
        "a shared starting point, no shared training",
        "The pattern is that of two training runs that began from the same random numbers: what is left of those "
        "numbers agrees, and what the two learned differs.",
        (
            "That one model holds anything that the other had learned. The pattern speaks against it.",
            "That the makers knew of each other. Published code with a fixed seed gives everyone the same random "
            "numbers.",
        ),
        "counts as independent (exclusion 4.4, independent runs under a shared seed), once an analyst confirms it.",
    ),
    "common-origin-unresolved": Words(
        "a common origin that is not resolved",
        "The two have something in common that chance does not explain. It could not be told whether that is a trained "
        "model or only the random numbers from which both began.",
        (
            "That the two share a trained model. That was not established, and must not be said.",
            "That they share only their starting point. That was not established either.",
            _DIRECTION,
        ),
        "counts as independent: without more evidence no link is claimed.",
    ),
    "no-correspondence": Words(
        "no correspondence found",
        "The tests that ran saw no more likeness between the weights than models with separate beginnings show.",
        (_BUT_INDEPENDENT,),
        "counts as independent by default: nothing was established, in either direction.",
    ),
    "not-comparable": Words(
        "not comparable",
        "No test of this version applies to this pair. Nothing was found, and nothing could have been found.",
        (_BUT_INDEPENDENT,),
        "counts as independent by default: nothing was established, in either direction.",
    ),
}
"""Plain words for every finding."""

TESTS = {
    "ffn.aligned": "Inner units, weight by weight",
    "ffn.anchored": "Inner units, by shared words",
    "ffn.order": "Order of inner units paired by likeness",
    "attn.channels": "Attention channels, by shared words",
    "attn.heads": "Attention heads, by shared words",
    "residual.embeddings": "Columns of the word tables",
    "residual.body": "Columns of the layers' tables",
    "retention": "Learning that is kept (second step)",
}
"""What tests look at, in plain words; one that is not listed is shown by the family that its record names."""
PARTS = {
    "component-shared": "a common trained ancestor",
    "shared-trained-ancestor": "a common trained ancestor",
    "shared-initialisation": "a common starting point, no common training",
    "common-origin-unresolved": "a common origin that is not resolved",
}
"""What is said of a part, by the part's own finding."""
READINGS = {
    "for": "speaks for a trained ancestor",
    "against": "speaks against a trained ancestor",
    "seed": "shows the pattern of one starting point trained twice",
    "abstains": "abstains",
}
"""What a discriminator may say."""
