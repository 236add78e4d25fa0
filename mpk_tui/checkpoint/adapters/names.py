"""What a stored tensor of an adapter is, read from its name.

PEFT writes ``base_model.model.`` + module + slot (``peft/utils/save_and_load.py``): ``lora_A.weight``,
``lora_B.weight``, ``lora_B.bias``, ``lora_embedding_A``, ``lora_embedding_B``, ``lora_magnitude_vector``, ``ia3_l``,
``token_adapter.trainable_tokens_delta``; weights of modules that are kept whole have no slot.  Trainers that save
the state themselves leave the adapter's own name behind the slot (``lora_A.default.weight``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PREFIX = "base_model.model."
A, B, B_BIAS = "a", "b", "b_bias"
EMBED_A, EMBED_B = "embed_a", "embed_b"
MAGNITUDE = "magnitude"
VECTOR = "vector"
TOKENS = "tokens"
SAVED = "saved"
PROMPT = "prompt"
IGNORED = "ignored"
OTHER = "other"

_SLOTS = (
    # Slot, its first part, its last part; between them may stand the adapter's name.
    (EMBED_A, "lora_embedding_A", ""),
    (EMBED_B, "lora_embedding_B", ""),
    (A, "lora_A", ".weight"),
    (B, "lora_B", ".weight"),
    (B_BIAS, "lora_B", ".bias"),
    (MAGNITUDE, "lora_magnitude_vector", ".weight"),
    (MAGNITUDE, "lora_magnitude_vector", ""),
    (VECTOR, "ia3_l", ""),
    (TOKENS, "token_adapter.trainable_tokens_delta", ""),
    (TOKENS, "trainable_tokens_delta", ""),
)
_PATTERNS = tuple(
    (slot, re.compile(rf"(?:(.*)\.)?{re.escape(first)}(?:\.([^.]+))?{re.escape(last)}", re.DOTALL))
    for slot, first, last in _SLOTS
)
# Other methods' parameters: their names tell that a tensor is no weight that takes the base's place.
_FOREIGN = re.compile(
    r"\.(lora_[A-Za-z_]+|vera_[A-Za-z_]+|hada_[A-Za-z0-9_]+|lokr_[A-Za-z0-9_]+|oft_[A-Za-z]+|boft_[A-Za-z]+|hra_[a-z]+"
    r"|adaption_[a-z]+|fourierft_[a-z]+|ia3_[a-z]+|ln_tuning_[a-z]+|randlora_[A-Za-z]+|road_[a-z]+|shira_[a-z]+"
    r"|c3a_[a-z]+|miss_[a-z]+|bone_[a-z]+|delora_[A-Za-z]+|ranknum)(\.|$)"
)


@dataclass(frozen=True)
class Slot:
    """A stored tensor's place.

    Attributes:
        module: Module of the base without the wrapper's prefix; for what is kept whole, the weight's full name.
        slot: One of the constants of this module.
        adapter: The adapter's own name where it stands in the tensor's, else empty.
    """

    module: str
    slot: str
    adapter: str = ""


def slot_of(name: str) -> Slot:
    """Read a tensor's name."""
    module = name.removeprefix(PREFIX)
    if name.startswith(("prompt_embeddings", "base_model.prompt_encoder.")):
        return Slot("", PROMPT)
    if "lora_" in module or "ia3_l" in module or "trainable_tokens_delta" in module:
        for slot, pattern in _PATTERNS:
            hit = pattern.fullmatch(module)
            if hit is not None:
                return Slot(hit.group(1) or "", slot, hit.group(2) or "")
    if _FOREIGN.search(module):
        return Slot(module, OTHER)
    if ".original_module." in module:
        return Slot(module, IGNORED)
    # A whole weight inside one of the wrappers that training puts around a module.
    plain = re.sub(r"\.modules_to_save(\.default)?\.", ".", module)
    return Slot(plain.replace(".base_layer.", "."), SAVED)
