"""What Gemel does per second, measured beside a bare reference in the same run.

`make bench` runs every module of this folder that has a `run(record)`, prints the budget table and writes
`results.json`: a list of {name, value, unit, budget, reference, ratio, ok}. Nothing here is asserted in a test:
machines are noisy, ratios within one run are what to compare.
"""
