"""The demonstration: a shop of five real machine tools, from recorded logs, over real protocols; and a trial plant of
two simulated objects that take orders.

Nothing is imported here: each object is a process of its own, which should not pay for the platform.
"""
