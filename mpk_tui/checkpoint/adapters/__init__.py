"""Adapters: small trained parts that name a base (LoRA, DoRA, IA³, prompt vectors), alone and put onto their base.

Alone: `opening` (from a checkpoint whose headers are read to an adapter), `settings` (``adapter_config.json``),
`patterns` (its expressions, matched in bounded time), `names` (which module a stored tensor belongs to), `facts` (both
held against each other), `record` (what was found, as data), `ggml` (adapters of llama.cpp).

On a base: `onto` (a composite checkpoint), `places`, `place` and `roles` (where a module lies in the base), `decode`
(the values of the composite's weights; the one module that needs NumPy).
"""
