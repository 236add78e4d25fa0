"""What lies on disk, as tensors: formats, canonical roles, configuration and tokenizer, all as data.

Nothing here imports or runs anything from a checkpoint, follows a link out of it, or writes into it.  Everything
but `mpk_tui.checkpoint.arrays` works on the standard library alone, so that a verifier can re-hash a checkpoint.
"""
