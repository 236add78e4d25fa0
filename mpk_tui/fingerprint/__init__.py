"""From a checkpoint to its fingerprint: digests of every file and tensor, facts, and features for lineage tests.

`hashing` and `record` need the standard library alone (a verifier re-hashes with them); `features` and `build` use
NumPy.
"""
