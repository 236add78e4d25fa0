"""Signing keys and the trust store: what a person holds, and whom they believe."""
