"""Models and what lies between them: a graph from findings and documents, and no arrow that no document gives."""
