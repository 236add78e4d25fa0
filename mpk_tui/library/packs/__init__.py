"""Signed packs of reference fingerprints (``.mpkl``): written, verified, taken into a library (docs/pack-format.md)."""
