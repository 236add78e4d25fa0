"""``adapter_config.json`` as PEFT writes it: claims, each checked for form, none believed.

Field names and what they mean for a merge: github.com/huggingface/peft, ``src/peft/config.py`` and
``src/peft/tuners/{lora,ia3,trainable_tokens}/config.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint.adapters.patterns import matches
from mpk_tui.checkpoint.config import MAX_CONFIG
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.errors import MalformedError

CONFIG = "adapter_config.json"
MAX_RANK = 1 << 20
MAX_ALPHA = 1e12
MAX_PATTERNS = 1 << 14
_PROMPTS = {
    "PREFIX_TUNING": "prefix-tuning", "PROMPT_TUNING": "prompt-tuning", "P_TUNING": "p-tuning",
    "MULTITASK_PROMPT_TUNING": "multitask-prompt-tuning", "CPT": "cpt", "CARTRIDGE": "cartridge",
    "ADAPTION_PROMPT": "adaption-prompt",
}  # fmt: skip
PROMPT_KINDS = frozenset(_PROMPTS.values())
"""Kinds that put something before the input, or into the attention, and change no weight."""
MERGED_KINDS = frozenset({"lora", "dora", "ia3", "trainable-tokens"})
"""Kinds whose merge is computed here."""
# Switches under which a LoRA is merged in another way, or into a base that was changed before it was trained.
_SWITCHES = {
    "use_qalora": "QA-LoRA pools the input", "use_bdlora": "BD-LoRA is block-diagonal",
    "kasa_config": "KaSA scales by singular values", "arrow_config": "Arrow routes every token",
    "alora_invocation_tokens": "aLoRA acts after its invocation tokens only",
    "layer_replication": "layers of the base are repeated", "target_parameters": "stacked parameters are targeted",
    "megatron_config": "Megatron's layers are targeted", "monteclora_config": "MonteCLoRA samples its weights",
}  # fmt: skip
_STARTS = {
    "pissa": "PiSSA", "corda": "CorDA", "olora": "OLoRA", "loftq": "LoftQ", "mica": "MiCA",
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What the configuration claims.

    Attributes:
        kind: As in `mpk_tui.checkpoint.adapters.record.AdapterFacts`; ``unknown`` if it is not said.
        base: Base by name.
        revision: Its revision.
        task: Task by name.
        library: PEFT's version.
        rank: Rank of modules that no pattern names, 0 if not said.
        alpha: LoRA's alpha for such modules, None if not said.
        rank_root: Divide alpha by the square root of the rank (rsLoRA).
        unit_scaling: The product of the factors is taken as it is.
        ranks: Pattern and rank.
        alphas: Pattern and alpha.
        turned: ``fan_in_fan_out``: the base's matrices are stored (in, out).
        bias: ``none``, ``lora_only`` or ``all``.
        tokens: Rows of embeddings that are trained one by one: by the end of the module's name, or by an empty text
            where there is one embedding only.
        prompts: Virtual tokens.
        unmerged: Why a merge is not computed from factors alone, or empty.
        problems: What is ill-formed, as sentences.
    """

    kind: str = "unknown"
    base: str = ""
    revision: str = ""
    task: str = ""
    library: str = ""
    rank: int = 0
    alpha: float | None = None
    rank_root: bool = False
    unit_scaling: bool = False
    ranks: tuple[tuple[str, int], ...] = ()
    alphas: tuple[tuple[str, float], ...] = ()
    turned: bool = False
    bias: str = "none"
    tokens: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    prompts: int = 0
    unmerged: str = ""
    problems: tuple[str, ...] = ()

    def rank_of(self, module: str) -> int:
        """The rank claimed for a module, 0 if none is.

        Raises:
            UnsupportedError: A pattern that `mpk_tui.checkpoint.adapters.patterns` does not read.
        """
        return next((rank for pattern, rank in self.ranks if matches(pattern, module)), self.rank)

    def scaling(self, module: str, rank: int) -> float:
        """What the product of a module's factors is multiplied by; 0 where alpha is not said.

        Raises:
            UnsupportedError: A pattern that `mpk_tui.checkpoint.adapters.patterns` does not read.
        """
        if self.unit_scaling and rank > 0:
            return 1.0
        alpha = next((alpha for pattern, alpha in self.alphas if matches(pattern, module)), self.alpha)
        if alpha is None or rank < 1:
            return 0.0
        # The sum turns a negative zero, which no record can hold, into zero.
        return 0.0 + (alpha / math.sqrt(rank) if self.rank_root else alpha / rank)


def read_settings(path: Path, *, follow: bool = False) -> Settings:
    """Decode ``adapter_config.json``.

    Raises:
        MalformedError: Not a JSON object.
        LimitError: Larger than a configuration may be.
    """
    value = parse(read_small(path, MAX_CONFIG, path.name, follow=follow), path.name)
    if not isinstance(value, dict):
        raise MalformedError("not a JSON object", where=path.name)
    return from_config(value)


def from_config(config: Mapping[str, Any]) -> Settings:
    """Read the fields that matter; what is ill-formed is left out and told in ``problems``."""
    take = _Taker(config)
    named = take.text("peft_type").upper()
    kind = _PROMPTS.get(named, named.lower().replace("_", "-") or "unknown")
    if kind == "lora" and take.flag("use_dora"):
        kind = "dora"
    bias = take.text("bias") or "none"
    if bias not in ("none", "all", "lora_only"):
        take.problems.append(f"{CONFIG}: bias is {bias[:80]!r}, not none, all or lora_only")
        bias = "none"
    return Settings(
        kind=kind,
        base=take.text("base_model_name_or_path"),
        revision=take.text("revision"),
        task=take.text("task_type"),
        library=take.text("peft_version"),
        rank=int(take.number("r", 1, MAX_RANK, whole=True) or 0),
        alpha=take.number("lora_alpha", -MAX_ALPHA, MAX_ALPHA),
        rank_root=take.flag("use_rslora"),
        ranks=tuple((k, int(v)) for k, v in take.patterns("rank_pattern", 1, MAX_RANK, whole=True)),
        alphas=tuple(take.patterns("alpha_pattern", -MAX_ALPHA, MAX_ALPHA)),
        turned=take.flag("fan_in_fan_out"),
        bias=bias,
        tokens=take.tokens(),
        prompts=int(take.number("num_virtual_tokens", 1, 1 << 31, whole=True) or 0) if kind in PROMPT_KINDS else 0,
        unmerged=_unmerged(kind, config),
        problems=tuple(take.problems),
    )


def _unmerged(kind: str, config: Mapping[str, Any]) -> str:
    if kind in PROMPT_KINDS:
        return f"{kind} changes no weight: its vectors stand before the input or in the attention's cache"
    if kind not in MERGED_KINDS:
        return f"how {kind[:80]!r} changes weights is not computed by this version"
    if kind in ("lora", "dora"):
        for key, reason in _SWITCHES.items():
            if config.get(key):
                return f"{CONFIG} sets {key}: {reason}, which is not computed by this version"
        start = config.get("init_lora_weights")
        for prefix, name in _STARTS.items():
            if isinstance(start, str) and start.lower().startswith(prefix):
                return (
                    f"{CONFIG} sets init_lora_weights to {start[:40]!r}: {name} changes the base before training, "
                    "so the factors do not add to the base as published; convert the adapter to a plain LoRA first"
                )
    return ""


class _Taker:
    """Takes fields by form and keeps account of those that do not have it."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self.problems: list[str] = []

    def _wrong(self, key: str, expected: str, found: Any) -> None:
        self.problems.append(f"{CONFIG}: {key} is {_short(found)}, not {expected}")

    def text(self, key: str) -> str:
        value = self._config.get(key)
        if value is None:
            return ""
        if not isinstance(value, str) or any("\ud800" <= c <= "\udfff" for c in value):
            self._wrong(key, "text", value)
            return ""
        return value[:4096]

    def flag(self, key: str) -> bool:
        value = self._config.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        self._wrong(key, "true or false", value)
        return False

    def number(self, key: str, low: float, high: float, *, whole: bool = False) -> float | None:
        value = self._config.get(key)
        if value is None:
            return None
        if _is_number(value, low, high, whole):
            return float(value)
        self._wrong(key, f"a {'whole ' if whole else ''}number from {low:g} to {high:g}", value)
        return None

    def patterns(self, key: str, low: float, high: float, *, whole: bool = False) -> list[tuple[str, float]]:
        value = self._config.get(key)
        if value is None:
            return []
        if not isinstance(value, dict) or len(value) > MAX_PATTERNS:
            self._wrong(key, f"a map of at most {MAX_PATTERNS} names to numbers", value)
            return []
        out = []
        for pattern, number in value.items():
            if _is_number(number, low, high, whole):
                out.append((pattern, float(number)))
            else:
                self._wrong(f"{key}, entry {pattern[:80]!r},", f"a number from {low:g} to {high:g}", number)
        return out

    def tokens(self) -> dict[str, tuple[int, ...]]:
        key = "token_indices" if self._config.get("token_indices") else "trainable_token_indices"
        value = self._config.get(key)
        if not value:
            return {}
        named = value if isinstance(value, dict) else {"": value}
        if all(isinstance(v, list) and all(_is_number(i, 0, 1 << 31, True) for i in v) for v in named.values()):
            return {str(k): tuple(v) for k, v in named.items()}
        self._wrong(key, "a list of token numbers, or one for each module", value)
        return {}


def _is_number(value: Any, low: float, high: float, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    return low <= value <= high  # false for NaN; JSON's infinities (1e999) fall out of every range


def _short(value: Any) -> str:
    text = repr(value if isinstance(value, int | float | str | bool) else type(value).__name__)
    return text if len(text) <= 80 else text[:80] + "…"
