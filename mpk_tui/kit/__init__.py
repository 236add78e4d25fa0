"""What Cisco's Model Provenance Kit 1.0.0 would say of checkpoints, by our own code: context, never evidence.

Facts (formulas, constants, thresholds) are those of the package cisco-ai-provenance-kit 1.0.0 (Apache-2.0), with
transformers 5.24.0, tokenizers 0.23.3 and safetensors 0.8.0 beneath it; each module names where its facts stand.  The
code is ours and needs NumPy, nothing of theirs.  ``docs/kit.md`` has what was measured.
"""
