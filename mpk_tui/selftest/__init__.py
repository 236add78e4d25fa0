"""Does this installation answer correctly where the answer is known?  ``mpk-tui selftest``.

Each module asks one part of the package questions with published or frozen answers.  A program cannot vouch for itself:
whoever changed the package can have changed this room too (docs/verifying-the-verifier.md).
"""
