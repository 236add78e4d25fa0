"""What each model of the zoo is, and what each pair is: the table that every figure is held against.

Truth follows from how a model was made, never from what a test said of it.  ``pairs.tsv`` has the columns

    a b truth mechanism concealment group split others

* truth: ``linked``, ``component`` (only a part was inherited), ``independent`` or ``undecidable`` from weights.
* mechanism: number in the constitution, alternatives separated by ``/`` where two models cannot tell them apart.
* concealment: what was done to hide the copy, or ``none``.
* group: the base that the pair belongs to (two bases for independent pairs, joined by ``+``).
* split: ``choose`` (thresholds may be chosen on it), ``report`` (only reported) or ``cross`` (one base of each).
* others: further parents, comma-separated, for merges.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

HEAD_MODELS = "name\tarch\twidth\tseed\tkind\tparent\twhat"
HEAD_PAIRS = "a\tb\ttruth\tmechanism\tconcealment\tgroup\tsplit\tothers"

# kind: (parents by suffix, "" is the base itself; what it is)
KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "": ((), "base"),
    "ft": (("",), "fine-tune on another text"),
    "ft2": (("",), "fine-tune on a third text"),
    "ft_ft": (("ft",), "fine-tune of the fine-tune: a chain of three"),
    "seed_order": ((), "same initialisation, other data order"),
    "seed_corpus": ((), "same initialisation, other text"),
    "seed_near": ((), "same initialisation, same order, one window in fifty replaced"),
    "seed_short": ((), "same initialisation, other order, hardly trained"),
    "cpt": (("",), "continued pretraining, half as long as the pretraining"),
    "cpt_heavy": (("",), "continued pretraining, as long as the pretraining, on another text"),
    "lora": (("",), "rank-4 adapter merged"),
    "vocab": (("",), "vocabulary rebuilt, shared strings inherited, trained on"),
    "drop": (("",), "third layer removed, healed"),
    "repeat": (("",), "two layers repeated, healed"),
    "hidden": (("",), "residual width cut by a quarter, healed"),
    "pruned": (("",), "a quarter of the feed-forward units removed, healed"),
    "kd_layers": (("",), "student from every second layer, distilled on"),
    "kd_random": (("",), "student from a random initialisation, distilled"),
    "mask": (("",), "smaller half of every matrix set to zero"),
    "q4": (("",), "4-bit grid, groups of 32, stored as floats"),
    "q8": (("",), "8-bit grid, groups of 64, stored as floats"),
    "q3_ft": (("ft",), "3-bit grid of the fine-tune"),
    "slerp": (("ft", "ft2"), "slerp 0.4 of two fine-tunes"),
    "mean": (("ft", "ft2"), "0.7 and 0.3 of two fine-tunes"),
    "task": (("", "ft", "ft2"), "base and 0.8 of both task vectors"),
    "mix": (("", "+"), "0.7 base and 0.3 of an unrelated model"),
    "stack": (("ft", "ft2"), "layers of two fine-tunes one after the other: six layers"),
    "franken": (("", "+"), "two layers of the base, then two of an unrelated model"),
    "f32": (("",), "stored in 32 bits"),
    "perm_units": (("",), "units permuted"),
    "perm_residual": (("",), "residual permuted"),
    "perm_heads": (("",), "heads permuted"),
    "rescale": (("",), "scale moved between matrices"),
    "noise": (("",), "noise of a tenth of each standard deviation"),
    "rename": (("",), "tensors renamed"),
    "rename_ft": (("ft",), "fine-tune, tensors renamed"),
    "tokenizer": (("",), "tokenizer file of another model"),
    "tokenizer_ft": (("ft",), "fine-tune, tokenizer file of another model"),
    "rotate": (("",), "norms folded, residual rotated"),
    "flip": (("",), "residual dimensions flipped"),
    "ft_rotate": (("ft",), "fine-tune, norms folded, residual rotated"),
    "ft_perm_units": (("ft",), "fine-tune, units permuted"),
    "perm_both": (("",), "units and residual permuted"),
    "perm_units_channels": (("",), "units and value channels permuted"),
    "perm_units_residual_channels": (("",), "units, residual and value channels permuted"),
    "cpt_perm_residual": (("cpt",), "continued pretraining, residual permuted"),
    "seed_perm_units": (("seed_order",), "same initialisation, other order, units permuted"),
}  # fmt: skip

# kind: (truth, mechanism, concealment) of the pair with its base
WITH_BASE: dict[str, tuple[str, str, str]] = {
    "ft": ("linked", "3.2", "none"),
    "ft2": ("linked", "3.2", "none"),
    "ft_ft": ("linked", "3.2", "none"),
    "cpt": ("linked", "3.3", "none"),
    "cpt_heavy": ("linked", "3.3", "none"),
    "lora": ("linked", "3.8", "none"),
    "vocab": ("linked", "3.4", "none"),
    "drop": ("linked", "3.6", "none"),
    "repeat": ("linked", "3.6", "none"),
    "hidden": ("linked", "3.6", "none"),
    "pruned": ("linked", "3.6", "none"),
    "mask": ("linked", "3.6", "none"),
    "kd_layers": ("linked", "3.5/3.6", "none"),
    "kd_random": ("undecidable", "3.5", "none"),
    "q4": ("linked", "3.7", "none"),
    "q8": ("linked", "3.7", "none"),
    "q3_ft": ("linked", "3.7/3.2", "none"),
    "mix": ("linked", "3.9", "none"),
    "task": ("linked", "3.9/3.2", "none"),
    "franken": ("component", "3.9", "none"),
    "stack": ("linked", "3.6/3.9", "none"),
    "f32": ("linked", "3.1", "none"),
    "perm_units": ("linked", "3.1", "units permuted"),
    "perm_residual": ("linked", "3.1", "residual permuted"),
    "perm_heads": ("linked", "3.1", "heads permuted"),
    "rescale": ("linked", "3.1", "rescaled"),
    "noise": ("linked", "", "noise"),
    "rename": ("linked", "3.1", "renamed"),
    "rename_ft": ("linked", "3.2", "renamed"),
    "tokenizer": ("linked", "3.1", "tokenizer swapped"),
    "tokenizer_ft": ("linked", "3.2", "tokenizer swapped"),
    "rotate": ("linked", "3.1", "residual rotated"),
    "flip": ("linked", "3.1", "residual flipped"),
    "ft_rotate": ("linked", "3.2", "residual rotated"),
    "ft_perm_units": ("linked", "3.2", "units permuted"),
    "perm_both": ("linked", "3.1", "units and residual permuted"),
    "perm_units_channels": ("linked", "3.1", "units and channels permuted"),
    "perm_units_residual_channels": ("linked", "3.1", "units, residual and channels permuted"),
    "cpt_perm_residual": ("linked", "3.3", "residual permuted"),
    "seed_order": ("independent", "4.4", "none"),
    "seed_corpus": ("independent", "4.4", "none"),
    "seed_near": ("independent", "4.4", "none"),
    "seed_short": ("independent", "4.4", "none"),
    "seed_perm_units": ("independent", "4.4", "units permuted"),
}
# Pairs that do not have the base on one side.
AMONG: list[tuple[str, str, str, str, str]] = [
    ("ft", "ft_ft", "linked", "3.2", ""),
    ("ft", "cpt", "linked", "", ""),
    ("lora", "q4", "linked", "", ""),
    ("cpt", "vocab", "linked", "", ""),
    ("ft", "q3_ft", "linked", "3.7", ""),
    ("ft", "slerp", "linked", "3.9", "ft2"),
    ("ft2", "slerp", "linked", "3.9", "ft"),
    ("ft", "mean", "linked", "3.9", "ft2"),
    ("ft", "stack", "linked", "3.9/3.6", "ft2"),
    ("ft", "task", "linked", "3.9", "ft2,"),
    ("seed_order", "ft", "independent", "4.4", ""),
    ("seed_order", "cpt", "independent", "4.4", ""),
    ("seed_order", "seed_near", "independent", "4.4", ""),
    ("seed_order", "seed_corpus", "independent", "4.4", ""),
    ("seed_order", "seed_short", "independent", "4.4", ""),
    ("seed_corpus", "ft2", "independent", "4.4", ""),
    ("seed_near", "ft", "independent", "4.4", ""),
    ("seed_near", "q4", "independent", "4.4", ""),
    ("seed_near", "mix", "independent", "4.4", ""),
    ("seed_order", "perm_units", "independent", "4.4", ""),
]


def split_of(arch: str, variant: str, seed: int) -> str:
    """Half of the zoo that a base belongs to; every architecture is in both."""
    if seed == 2:
        return "choose" if variant == "a" else "report"
    return "choose" if seed == 1 else "report"


def write(out: Path) -> None:
    """Write models.tsv and pairs.tsv for the models that are there."""
    there = {p.parent.name for p in out.glob("*/tokenizer.json")}
    bases = sorted(name for name in there if "." not in name)
    models, pairs = [HEAD_MODELS], [HEAD_PAIRS]
    for base in bases:
        key, seed = base.rsplit("-", 1)
        arch, variant = key.split("-")
        width = json.loads((out / base / "spec.json").read_text(encoding="utf-8"))["width"]
        unrelated = f"{key}-{int(seed) % 3 + 1}"
        split = split_of(arch, variant, int(seed))

        def full(suffix: str, base: str = base, unrelated: str = unrelated) -> str:
            return unrelated if suffix == "+" else f"{base}.{suffix}" if suffix else base

        for kind, (parents, what) in KINDS.items():
            if full(kind) in there:
                row = (full(kind), arch, str(width), seed, kind or "base", ",".join(full(p) for p in parents), what)
                models.append("\t".join(row))
        rows = [("", kind, *found, "") for kind, found in WITH_BASE.items()]
        rows += [(a, b, truth, number, "none", others) for a, b, truth, number, others in AMONG]
        for kind in ("mix", "franken"):
            rows.append(("+", kind, WITH_BASE[kind][0], "3.9", "none", ""))
        for a, b, truth, number, hidden, others in rows:
            if full(a) in there and full(b) in there:
                further = ",".join(full(o) for o in others.split(",")) if others else ""
                pairs.append("\t".join((full(a), full(b), truth, number, hidden, base, split, further)))
        for step in sorted(n for n in there if n.startswith(f"{base}.step") and not n.endswith("0000")):
            models.append("\t".join((step, arch, str(width), seed, "step", "", "on the way to the base")))
            pairs.append("\t".join((base, step, "linked", "3.3", "none", base, split, "")))
            if full("seed_order") in there:
                pairs.append("\t".join((step, full("seed_order"), "independent", "4.4", "none", base, split, "")))
    for a, b in itertools.combinations(bases, 2):
        pairs.append("\t".join(_unrelated(a, b)))
    # Descendants of unrelated bases: what was made of one must not lead to the other.
    for a, b in itertools.permutations(bases, 2):
        same_shape = a.rsplit("-", 1)[0] == b.rsplit("-", 1)[0]
        for kind in ("ft", "cpt", "vocab", "pruned", "perm_units", "seed_order") if same_shape else ("ft",):
            if f"{b}.{kind}" in there and (same_shape or (hash_of(a, b) % 4 == 0)):
                pairs.append("\t".join((a, f"{b}.{kind}", *_unrelated(a, b)[2:])))
    (out / "models.tsv").write_text("\n".join(models) + "\n", encoding="utf-8")
    (out / "pairs.tsv").write_text("\n".join(pairs) + "\n", encoding="utf-8")


def hash_of(a: str, b: str) -> int:
    """A number that depends on the two names only; thins out what would be too many pairs."""
    return sum((k + 1) * ord(c) for k, c in enumerate(f"{a}|{b}"))


def _unrelated(a: str, b: str) -> tuple[str, ...]:
    """The row of two bases, with the exclusion of the constitution that fits best."""
    (key_a, seed_a), (key_b, seed_b) = a.rsplit("-", 1), b.rsplit("-", 1)
    (arch_a, size_a), (arch_b, size_b) = key_a.split("-"), key_b.split("-")
    if seed_a == seed_b and size_a == size_b:
        # One seed and one width begin with the same token embeddings whatever the architecture (models.build draws
        # them first), and Llama- and Mixtral-like models share the attention of the first layer, too.
        number = "4.4"
    elif key_a == key_b:
        number = "4.1"
    elif arch_a == arch_b:
        number = "4.2"
    elif {arch_a, arch_b} == {"llama", "mixtral"}:
        number = "4.5"
    elif size_a == size_b:
        number = "4.6"
    else:
        number = "4.7"
    left, right = split_of(arch_a, size_a, int(seed_a)), split_of(arch_b, size_b, int(seed_b))
    return a, b, "independent", number, "none", f"{a}+{b}", left if left == right else "cross", ""
