"""Weights that are stored in few bits with their scales beside them: found by their names and shapes, decoded in
NumPy.

`find` says which weights are computed from which stored tensors (standard library only); `decode` computes them.  What
a configuration states is used only where names and shapes leave something open; where the two contradict each other the
weight is left as it is stored, and a notice says so.
"""
