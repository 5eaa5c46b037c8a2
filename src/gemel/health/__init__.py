"""How well machines and their parts are: what is known of it, what is expected, and how far that can be relied on."""
