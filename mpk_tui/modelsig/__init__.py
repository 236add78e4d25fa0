"""Reading and checking signatures of OpenSSF Model Signing (`model.sig`), offline, with a key or CA that is given."""
