"""How records are shown and exported: schemas of the JSON that others rely on; reports follow."""
