"""A bundle held against what lies on this machine: files, tensors, features; and its findings computed again."""
