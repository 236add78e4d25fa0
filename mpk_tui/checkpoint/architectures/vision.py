"""Rows of vision towers beside language models, and of what leads from them into the residual stream."""

from __future__ import annotations

from mpk_tui.checkpoint.architectures.decoders import S
from mpk_tui.checkpoint.architectures.row import QKV, Roles, Row

_CLIP: dict[str, Roles] = {
    "embeddings.patch_embedding": "embed.patches",
    "embeddings.position_embedding": "embed.positions",
    "embeddings.class_embedding": "embed.class",
    "pre_layrnorm": "embed.norm",
    "post_layernorm": "norm.final",
    "encoder.layers.{i}.layer_norm1": "attn.norm",
    "encoder.layers.{i}.self_attn.q_proj": "attn.q",
    "encoder.layers.{i}.self_attn.k_proj": "attn.k",
    "encoder.layers.{i}.self_attn.v_proj": "attn.v",
    "encoder.layers.{i}.self_attn.out_proj": "attn.o",
    "encoder.layers.{i}.layer_norm2": "ffn.norm",
    "encoder.layers.{i}.mlp.fc1": "ffn.up",
    "encoder.layers.{i}.mlp.fc2": "ffn.down",
}
_PIXTRAL: dict[str, Roles] = {
    "patch_conv": "embed.patches",
    "ln_pre": "embed.norm",
    "transformer.layers.{i}.attention_norm": "attn.norm",
    "transformer.layers.{i}.attention.q_proj": "attn.q",
    "transformer.layers.{i}.attention.k_proj": "attn.k",
    "transformer.layers.{i}.attention.v_proj": "attn.v",
    "transformer.layers.{i}.attention.o_proj": "attn.o",
    "transformer.layers.{i}.ffn_norm": "ffn.norm",
    "transformer.layers.{i}.feed_forward.gate_proj": "ffn.gate",
    "transformer.layers.{i}.feed_forward.up_proj": "ffn.up",
    "transformer.layers.{i}.feed_forward.down_proj": "ffn.down",
}
_QWEN: dict[str, Roles] = {
    "patch_embed.proj": "embed.patches",
    "pos_embed": "embed.positions",
    "blocks.{i}.norm1": "attn.norm",
    "blocks.{i}.attn.qkv": QKV,
    "blocks.{i}.attn.proj": "attn.o",
    "blocks.{i}.norm2": "ffn.norm",
    "blocks.{i}.mlp.fc1": "ffn.up",
    "blocks.{i}.mlp.fc2": "ffn.down",
    "blocks.{i}.mlp.linear_fc1": "ffn.up",
    "blocks.{i}.mlp.linear_fc2": "ffn.down",
    "blocks.{i}.mlp.gate_proj": "ffn.gate",
    "blocks.{i}.mlp.up_proj": "ffn.up",
    "blocks.{i}.mlp.down_proj": "ffn.down",
    "merger.ln_q": "project.norm",
    "merger.norm": "project.norm",
    "merger.mlp.0": "project.1",
    "merger.mlp.2": "project.2",
    "merger.linear_fc1": "project.1",
    "merger.linear_fc2": "project.2",
    # Features of earlier layers go their own way into the language model.
    "deepstack_merger_list.{i}.norm": "project.deep.norm",
    "deepstack_merger_list.{i}.linear_fc1": "project.deep.1",
    "deepstack_merger_list.{i}.linear_fc2": "project.deep.2",
}


def _meta(stack: str) -> dict[str, Roles]:
    return {
        f"{stack}.layers.{{i}}.input_layernorm": "attn.norm",
        f"{stack}.layers.{{i}}.self_attn.q_proj": "attn.q",
        f"{stack}.layers.{{i}}.self_attn.k_proj": "attn.k",
        f"{stack}.layers.{{i}}.self_attn.v_proj": "attn.v",
        f"{stack}.layers.{{i}}.self_attn.o_proj": "attn.o",
        f"{stack}.layers.{{i}}.post_attention_layernorm": "ffn.norm",
        f"{stack}.layers.{{i}}.mlp.fc1": "ffn.up",
        f"{stack}.layers.{{i}}.mlp.fc2": "ffn.down",
        f"{stack}.layers.{{i}}.gate_attn": "attn.scale",
        f"{stack}.layers.{{i}}.gate_ffn": "ffn.scale",
    }


_META: dict[str, Roles] = {
    "class_embedding": "embed.class",
    "layernorm_pre": "embed.norm",
    "layernorm_post": "norm.final",
}
_LLAMA4: dict[str, Roles] = {
    **_META,
    "patch_embedding.linear": "embed.patches",
    "positional_embedding_vlm": "embed.positions",
    "vision_adapter.mlp.fc1": "project.adapter.1",
    "vision_adapter.mlp.fc2": "project.adapter.2",
    **_meta("model"),
}
_MLLAMA: dict[str, Roles] = {
    **_META,
    "patch_embedding": "embed.patches",
    "gated_positional_embedding.embedding": "embed.positions",
    "gated_positional_embedding.gate": "embed.positions.scale",
    "gated_positional_embedding.tile_embedding": "embed.tiles",
    "pre_tile_positional_embedding.embedding": "embed.tiles.before",
    "pre_tile_positional_embedding.gate": "embed.tiles.before.scale",
    "post_tile_positional_embedding.embedding": "embed.tiles.after",
    "post_tile_positional_embedding.gate": "embed.tiles.after.scale",
    **_meta("transformer"),
}
_PROJECTOR: dict[str, Roles] = {
    "multi_modal_projector": "project.1",
    "multi_modal_projector.linear": "project.1",
    "multi_modal_projector.linear_1": "project.1",
    "multi_modal_projector.linear_2": "project.2",
    "multi_modal_projector.norm": "project.norm",
    "multi_modal_projector.patch_merger.merging_layer": "project.merge",
    "multi_modal_projector.mm_input_projection_weight": "project.1",
    "multi_modal_projector.mm_soft_emb_norm": "project.norm",
}


def _of(name: str) -> tuple[str, ...]:
    return tuple(f"{outer}{name}.{inner}" for outer in ("model.", "") for inner in ("vision_model.", ""))


_SCOPE = "vision tower"
ROWS: tuple[Row, ...] = (
    Row("clip", S, ("clip_vision_model", "siglip_vision_model"), _of("vision_tower"), _CLIP, beside=_PROJECTOR,
        scope=_SCOPE),
    Row("pixtral", S, ("pixtral",), _of("vision_tower"), _PIXTRAL, beside=_PROJECTOR, scope=_SCOPE),
    Row("qwen_vision", S, ("qwen2_vl", "qwen2_5_vl", "qwen3_vl"), ("model.visual.", "visual."), _QWEN, scope=_SCOPE),
    Row("llama4_vision", S, ("llama4_vision_model",), ("model.vision_model.", "vision_model."), _LLAMA4,
        beside=_PROJECTOR, scope=_SCOPE),
    Row("mllama_vision", S, ("mllama_vision_model",), ("model.vision_model.", "vision_model."), _MLLAMA,
        later=_meta("global_transformer"), stacks=("local", "global"), beside=_PROJECTOR, scope=_SCOPE),
)  # fmt: skip
