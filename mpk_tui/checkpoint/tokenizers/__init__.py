"""Vocabularies in the files that people hold, each as token strings by id in one normal form."""
