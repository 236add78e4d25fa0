"""Adapters: small trained parts that name a base (LoRA, DoRA, IA³, prompt vectors), alone and put onto their base.

`record` (what was found, as data), `settings` (``adapter_config.json``), `names` (what a stored tensor is to which
module), `facts` (both together, checked against each other), `onto` (a composite checkpoint of base and adapter),
`decode` (the values of its weights; the one module that needs NumPy), `ggml` (adapters of llama.cpp).
"""
