"""Bulletins: documents that say what is to be done to some machines, and how each machine stands to them."""
