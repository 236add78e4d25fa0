"""Evidence bundles: one signed file that another machine can check without a network.

Verification stands alone: the modules that it reaches import the standard library, ``cryptography``, ``msgpack`` and
our own modules that need nothing else.  The format is described in docs/format.md.
"""
