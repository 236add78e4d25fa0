"""A configuration as the Kit sees it: what ``config.json`` says, and what transformers fills in where it is silent.

The Kit asks transformers' ``AutoConfig`` and then reads attributes (provenancekit 1.0.0, ``core/signals/metadata.py``).
Defaults, other names of settings and what is derived are facts of transformers 5.24.0, kept in ``transformers.json`` by
``tests/kit/facts_of_transformers.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint.config import read_config
from mpk_tui.errors import MalformedError, UnsupportedError

ABSENT = object()
"""What an attribute is that is not there; the Kit tells this from None."""

_WANTED: tuple[tuple[tuple[str, ...], tuple[type, ...], str], ...] = (
    (("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "max_position_embeddings"), (int,),
     "whole number"),
    (("num_key_value_heads", "head_dim", "intermediate_size", "d_ff", "encoder_ffn_dim", "decoder_ffn_dim", "ffn_dim",
      "hidden_dim", "n_inner"), (int, type(None)), "whole number"),
    (("rope_theta",), (int, float, type(None)), "number"),
    (("hidden_act", "hidden_activation", "tokenizer_class"), (str, type(None)), "text"),
)  # fmt: skip
_GATED_ACTIVATIONS = frozenset({"silu", "swiglu", "gegelu"})
_GATED_TYPES = frozenset({
    "gemma", "gemma2", "gemma3", "gemma3_text", "llama", "mistral", "mixtral", "phi3", "phi4", "qwen2", "qwen2_moe",
    "qwen3", "qwen3_moe", "deepseek_v2", "deepseek_v3", "cohere", "cohere2", "command-r", "starcoder2",
})  # fmt: skip
"""Types that the Kit takes to have three feed-forward matrices whatever their activation is called."""
_DERIVED = {"num_key_value_heads": "heads", "head_dim": "width"}


@cache
def facts() -> dict[str, Any]:
    """The table of transformers' defaults."""
    text = resources.files("mpk_tui.kit").joinpath("transformers.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


class Configuration:
    """Settings of a model, asked by their standard names.

    Attributes:
        model_type: As transformers calls the class.
        stated: The text of ``config.json`` as data.
    """

    def __init__(self, model_type: str, stated: Mapping[str, Any]) -> None:
        row = facts()["types"].get(model_type, {})
        self.model_type: str = row.get("is", model_type)
        self.stated = stated
        self._row = row

    def get(self, name: str, default: Any = ABSENT) -> Any:
        """A setting, or ``default`` where the configuration has no such attribute."""
        if name == "rope_theta" and self._row.get("rope"):
            return default  # moved into rope_parameters
        if name == "rope_scaling":
            return self._rope(default)
        value = self._plain(name)
        when = self._row.get(_DERIVED.get(name, ""), "")
        if ("n" in when and value is None) or ("a" in when and not self._states(name)):
            heads = self.get("num_attention_heads", None)
            width = self.get("hidden_size", 0)
            value = heads if name == "num_key_value_heads" else width // heads if _counts(heads) else value
        return default if value is ABSENT else value

    def _plain(self, name: str) -> Any:
        for key in (self._row.get("as", {}).get(name), name):
            if key is not None and key in self.stated:
                return self.stated[key]
        return self._row.get("set", {}).get(name, ABSENT)

    def _states(self, name: str) -> bool:
        return name in self.stated or self._row.get("as", {}).get(name) in self.stated

    def _rope(self, default: Any) -> Any:
        """``rope_scaling`` is another name of ``rope_parameters``, which a class with rotary embeddings always has."""
        for key in ("rope_scaling", "rope_parameters"):
            if self.stated.get(key):
                return self.stated[key]
        return {} if self._row.get("rope") else default

    @property
    def text(self) -> Configuration:
        """The part that the Kit takes dimensions from: this one, or a nested one where this one has no width."""
        width = self.get("hidden_size", 0)
        if width:
            return self
        for name in ("text_config", "decoder"):
            kind = self._row.get("sub", {}).get(name)
            stated = self.stated.get(name)
            if stated is None and kind is None:
                continue
            if not isinstance(stated, dict):
                stated = self.stated if "hidden_size" in self.stated else {}
            named = stated.get("model_type")
            known = isinstance(named, str) and named in facts()["types"]
            part = Configuration(str(named) if known else kind or "", stated)
            if _counts(part.get("hidden_size", 0)):
                return part
        return self


def _counts(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def read(folder: Path) -> Configuration:
    """The configuration of a folder.

    Raises:
        UnsupportedError: The Kit's libraries do not know this kind of model, or nobody says what it is.
        MalformedError: ``config.json`` cannot be read.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise UnsupportedError(
            "the Kit has no answer for a folder without config.json", where=str(folder), hint="It would look on a hub"
        )
    stated = read_config(path, follow=True)
    kind = stated.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise UnsupportedError("the Kit has no answer: config.json names no model_type", where=str(path))
    if kind == "mistral" and "layer_types" in stated:
        kind = "ministral"
    table = facts()
    if kind not in table["known"]:
        raise UnsupportedError(
            f"the Kit has no answer: transformers {table['transformers']} knows no model_type {kind!r}", where=str(path)
        )
    if kind not in table["types"]:
        raise UnsupportedError(f"the settings of model_type {kind!r} are not in our table", where=str(path))
    architectures = stated.get("architectures")
    if not isinstance(architectures, list) or not all(isinstance(a, str) for a in architectures):
        raise UnsupportedError("the Kit has no answer: config.json names no architectures", where=str(path))
    found = Configuration(kind, stated)
    _check(found.text, path)
    return found


def _check(text: Configuration, path: Path) -> None:
    """The Kit's record and its libraries want such values here and stop at anything else (models/signals.py)."""
    for names, kinds, what in _WANTED:
        for name in names:
            value = text.get(name, 0 if int in kinds else None)
            if type(value) not in kinds:
                raise MalformedError(
                    f"the Kit has no answer: {name} is {str(value)[:80]!r}, no {what}", where=str(path)
                )


def gated(activation: object, model_type: object) -> bool:
    """Whether the Kit counts three feed-forward matrices a layer and not two (its ``utils/tensor.py``)."""
    return str(activation or "").lower() in _GATED_ACTIVATIONS or str(model_type or "").lower() in _GATED_TYPES
