"""The Model Provenance Constitution as data, and the pure function from answers and evidence to a verdict.

Standard library only: a verifier recomputes verdicts with this package.
"""
