"""Rows of encoders and of pairs of encoder and decoder, in safetensors and PyTorch files.

Norms that stand behind their block are named by what reads them: ``ffn.norm`` behind attention, ``ffn.post_norm``
behind the feed-forward.  What belongs to the encoder alone has ``.encoder`` behind its role.
"""

from __future__ import annotations

from mpk_tui.checkpoint.architectures.decoders import S
from mpk_tui.checkpoint.architectures.row import GATE_UP, QKV, Roles, Row

_HEADS: dict[str, Roles] = {
    "pooler.dense": "pooler",
    "cls.predictions": "head.tokens",
    "cls.predictions.decoder": "head.decoder",
    "cls.predictions.transform.dense": "head.dense",
    "cls.predictions.transform.LayerNorm": "head.norm",
    "cls.seq_relationship": "head.next",
    "lm_head": "head.tokens",
    "lm_head.decoder": "head.decoder",
    "lm_head.dense": "head.dense",
    "lm_head.layer_norm": "head.norm",
}
_BERT: dict[str, Roles] = {
    **_HEADS,
    "embeddings.word_embeddings": "embed.tokens",
    "embeddings.position_embeddings": "embed.positions",
    "embeddings.token_type_embeddings": "embed.types",
    "embeddings.LayerNorm": "embed.norm",
    "encoder.layer.{i}.attention.self.query": "attn.q",
    "encoder.layer.{i}.attention.self.key": "attn.k",
    "encoder.layer.{i}.attention.self.value": "attn.v",
    "encoder.layer.{i}.attention.output.dense": "attn.o",
    "encoder.layer.{i}.attention.output.LayerNorm": "ffn.norm",
    "encoder.layer.{i}.intermediate.dense": "ffn.up",
    "encoder.layer.{i}.output.dense": "ffn.down",
    "encoder.layer.{i}.output.LayerNorm": "ffn.post_norm",
}
_ELECTRA: dict[str, Roles] = {
    **_BERT,
    "embeddings_project": "embed.projection",
    "discriminator_predictions.dense": "head.dense",
    "discriminator_predictions.dense_prediction": "head.replaced",
    "generator_predictions.dense": "head.dense",
    "generator_predictions.LayerNorm": "head.norm",
    "generator_lm_head": "head.decoder",
}
_MPNET: dict[str, Roles] = {
    **{k: v for k, v in _BERT.items() if ".attention." not in k},
    "encoder.layer.{i}.attention.attn.q": "attn.q",
    "encoder.layer.{i}.attention.attn.k": "attn.k",
    "encoder.layer.{i}.attention.attn.v": "attn.v",
    "encoder.layer.{i}.attention.attn.o": "attn.o",
    "encoder.layer.{i}.attention.LayerNorm": "ffn.norm",
    "encoder.relative_attention_bias": "embed.relative",
}
_DISTILBERT: dict[str, Roles] = {
    "embeddings.word_embeddings": "embed.tokens",
    "embeddings.position_embeddings": "embed.positions",
    "embeddings.LayerNorm": "embed.norm",
    "vocab_transform": "head.dense",
    "vocab_layer_norm": "head.norm",
    "vocab_projector": "head.decoder",
    "transformer.layer.{i}.attention.q_lin": "attn.q",
    "transformer.layer.{i}.attention.k_lin": "attn.k",
    "transformer.layer.{i}.attention.v_lin": "attn.v",
    "transformer.layer.{i}.attention.out_lin": "attn.o",
    "transformer.layer.{i}.sa_layer_norm": "ffn.norm",
    "transformer.layer.{i}.ffn.lin1": "ffn.up",
    "transformer.layer.{i}.ffn.lin2": "ffn.down",
    "transformer.layer.{i}.output_layer_norm": "ffn.post_norm",
}
_ALBERT_LAYER = "encoder.albert_layer_groups.{i}.albert_layers.0"
_ALBERT: dict[str, Roles] = {
    "embeddings.word_embeddings": "embed.tokens",
    "embeddings.position_embeddings": "embed.positions",
    "embeddings.token_type_embeddings": "embed.types",
    "embeddings.LayerNorm": "embed.norm",
    "encoder.embedding_hidden_mapping_in": "embed.projection",
    "pooler": "pooler",
    "predictions": "head.tokens",
    "predictions.dense": "head.dense",
    "predictions.LayerNorm": "head.norm",
    "predictions.decoder": "head.decoder",
    "sop_classifier.classifier": "head.order",
    f"{_ALBERT_LAYER}.attention.query": "attn.q",
    f"{_ALBERT_LAYER}.attention.key": "attn.k",
    f"{_ALBERT_LAYER}.attention.value": "attn.v",
    f"{_ALBERT_LAYER}.attention.dense": "attn.o",
    f"{_ALBERT_LAYER}.attention.LayerNorm": "ffn.norm",
    f"{_ALBERT_LAYER}.ffn": "ffn.up",
    f"{_ALBERT_LAYER}.ffn_output": "ffn.down",
    f"{_ALBERT_LAYER}.full_layer_layer_norm": "ffn.post_norm",
}
_DEBERTA: dict[str, Roles] = {
    **{k: v for k, v in _BERT.items() if ".attention.self." not in k},
    "lm_predictions.lm_head": "head.tokens",
    "lm_predictions.lm_head.dense": "head.dense",
    "lm_predictions.lm_head.LayerNorm": "head.norm",
    "encoder.rel_embeddings": "embed.relative",
    "encoder.LayerNorm": "embed.relative.norm",
    "encoder.conv.conv": "conv",
    "encoder.conv.LayerNorm": "conv.norm",
    "embeddings.embed_proj": "embed.projection",
    # Version 1: the queries, keys and values of a head lie together.
    "encoder.layer.{i}.attention.self.in_proj": QKV,
    "encoder.layer.{i}.attention.self.q_bias": "attn.q.bias",
    "encoder.layer.{i}.attention.self.v_bias": "attn.v.bias",
    "encoder.layer.{i}.attention.self.pos_proj": "attn.position.k",
    "encoder.layer.{i}.attention.self.pos_q_proj": "attn.position.q",
    # Versions 2 and 3.
    "encoder.layer.{i}.attention.self.query_proj": "attn.q",
    "encoder.layer.{i}.attention.self.key_proj": "attn.k",
    "encoder.layer.{i}.attention.self.value_proj": "attn.v",
    "encoder.layer.{i}.attention.self.pos_key_proj": "attn.position.k",
    "encoder.layer.{i}.attention.self.pos_query_proj": "attn.position.q",
}
_MODERNBERT: dict[str, Roles] = {
    "embeddings.tok_embeddings": "embed.tokens",
    "embeddings.norm": "embed.norm",
    "final_norm": "norm.final",
    "head.dense": "head.dense",
    "head.norm": "head.norm",
    "decoder": "head.decoder",
    "layers.{i}.attn_norm": "attn.norm",
    "layers.{i}.attn.Wqkv": QKV,
    "layers.{i}.attn.Wo": "attn.o",
    "layers.{i}.mlp_norm": "ffn.norm",
    "layers.{i}.mlp.Wi": GATE_UP,
    "layers.{i}.mlp.Wo": "ffn.down",
}


def _t5(stack: str, feed: int) -> dict[str, Roles]:
    block = stack + ".block.{i}.layer."
    return {
        f"{block}0.layer_norm": "attn.norm",
        f"{block}0.SelfAttention.q": "attn.q",
        f"{block}0.SelfAttention.k": "attn.k",
        f"{block}0.SelfAttention.v": "attn.v",
        f"{block}0.SelfAttention.o": "attn.o",
        f"{block}0.SelfAttention.relative_attention_bias": "attn.relative",
        f"{block}{feed}.layer_norm": "ffn.norm",
        f"{block}{feed}.DenseReluDense.wi": "ffn.up",
        f"{block}{feed}.DenseReluDense.wi_0": "ffn.gate",
        f"{block}{feed}.DenseReluDense.wi_1": "ffn.up",
        f"{block}{feed}.DenseReluDense.wo": "ffn.down",
    }


_T5: dict[str, Roles] = {
    "shared": "embed.tokens",
    "encoder.embed_tokens": "embed.tokens.encoder",
    "decoder.embed_tokens": "embed.tokens.decoder",
    "encoder.final_layer_norm": "norm.final.encoder",
    "decoder.final_layer_norm": "norm.final",
    "lm_head": "head",
    **_t5("encoder", 1),
}
_CROSS = "decoder.block.{i}.layer.1."
_T5_DECODER: dict[str, Roles] = {
    **_t5("decoder", 2),
    f"{_CROSS}layer_norm": "attn.cross.norm",
    f"{_CROSS}EncDecAttention.q": "attn.cross.q",
    f"{_CROSS}EncDecAttention.k": "attn.cross.k",
    f"{_CROSS}EncDecAttention.v": "attn.cross.v",
    f"{_CROSS}EncDecAttention.o": "attn.cross.o",
    f"{_CROSS}EncDecAttention.relative_attention_bias": "attn.cross.relative",
}


def _bart(stack: str, after_attention: str, after_feed: str) -> dict[str, Roles]:
    layer = stack + ".layers.{i}."
    return {
        f"{layer}self_attn.q_proj": "attn.q",
        f"{layer}self_attn.k_proj": "attn.k",
        f"{layer}self_attn.v_proj": "attn.v",
        f"{layer}self_attn.out_proj": "attn.o",
        f"{layer}self_attn_layer_norm": after_attention,
        f"{layer}fc1": "ffn.up",
        f"{layer}fc2": "ffn.down",
        f"{layer}final_layer_norm": after_feed,
    }


_BART_TOP: dict[str, Roles] = {
    "shared": "embed.tokens",
    "encoder.embed_tokens": "embed.tokens.encoder",
    "decoder.embed_tokens": "embed.tokens.decoder",
    "encoder.embed_positions": "embed.positions.encoder",
    "decoder.embed_positions": "embed.positions",
    "encoder.layernorm_embedding": "embed.norm.encoder",
    "decoder.layernorm_embedding": "embed.norm",
    "encoder.layer_norm": "norm.final.encoder",
    "decoder.layer_norm": "norm.final",
    "final_logits_bias": "head.logits",
    "lm_head": "head",
    "proj_out": "head",
}
_BART_CROSS: dict[str, Roles] = {
    "decoder.layers.{i}.encoder_attn.q_proj": "attn.cross.q",
    "decoder.layers.{i}.encoder_attn.k_proj": "attn.cross.k",
    "decoder.layers.{i}.encoder_attn.v_proj": "attn.cross.v",
    "decoder.layers.{i}.encoder_attn.out_proj": "attn.cross.o",
}
# BART and Marian put norms behind their blocks; mBART, Pegasus, M2M and Whisper before them, and one at the end.
_POST = {**_BART_TOP, **_bart("encoder", "ffn.norm", "ffn.post_norm")}
_POST_DECODER = {
    **_bart("decoder", "attn.cross.norm", "ffn.post_norm"),
    **_BART_CROSS,
    "decoder.layers.{i}.encoder_attn_layer_norm": "ffn.norm",
}
_PRE = {**_BART_TOP, **_bart("encoder", "attn.norm", "ffn.norm")}
_PRE_DECODER = {
    **_bart("decoder", "attn.norm", "ffn.norm"),
    **_BART_CROSS,
    "decoder.layers.{i}.encoder_attn_layer_norm": "attn.cross.norm",
}
_WHISPER: dict[str, Roles] = {**_PRE, "encoder.conv1": "embed.conv1", "encoder.conv2": "embed.conv2"}
_ENCODER = ("bert.", "roberta.", "mpnet.", "electra.", "xlm-roberta.", "model.", "")
_BOTH = ("encoder", "decoder")
_SEQ = ("model.", "")

ROWS: tuple[Row, ...] = (
    Row("albert", S, ("albert",), ("albert.", ""), _ALBERT, shared=True),
    Row("deberta", S, ("deberta-v2", "deberta"), ("deberta.", ""), _DEBERTA, grouped=True),
    Row("mpnet", S, ("mpnet",), _ENCODER, _MPNET),
    Row("distilbert", S, ("distilbert",), ("distilbert.", ""), _DISTILBERT),
    Row("bert", S, ("bert", "roberta", "xlm-roberta", "camembert"), _ENCODER, _BERT),
    Row("electra", S, ("electra",), _ENCODER, _ELECTRA),
    Row("modernbert", S, ("modernbert",), _SEQ, _MODERNBERT),
    Row("t5", S, ("t5", "mt5", "umt5", "longt5"), ("transformer.", ""), _T5, later=_T5_DECODER, stacks=_BOTH),
    Row("bart", S, ("mbart", "pegasus", "m2m_100"), _SEQ, _PRE, later=_PRE_DECODER, stacks=_BOTH,
        needs=("norm.final",)),
    Row("bart", S, ("bart", "marian"), _SEQ, _POST, later=_POST_DECODER, stacks=_BOTH),
    Row("whisper", S, ("whisper",), _SEQ, _WHISPER, later=_PRE_DECODER, stacks=_BOTH, needs=("embed.conv1",),
        scope="speech model"),
)  # fmt: skip
