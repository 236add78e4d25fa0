"""Three small checkpoints and a whole case on them (README.md in this folder says how they were made)."""
