"""A drive full of checkpoints: found, fingerprinted, scanned against a library, held against a watch list."""
