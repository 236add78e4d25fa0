"""Reference fingerprints that are kept for comparison; so far a shelf of files that is looked through."""
