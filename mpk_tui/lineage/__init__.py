"""Two checkpoints (or their fingerprints) in, findings out: tests with known error rates, and named abstentions.

A finding is a measurement with its assumptions, never a verdict; the verdict is the constitution's business.
"""
