"""The metrics as modules of Hugging Face `evaluate`, usable without an audit: one file each.

`from suites.metrics.flips import Flips` and `evaluate.load(".../suites/metrics/flips.py")` give the same.
A value that is not defined, such as 0/0, is a ValueError that says why, never 0 or NaN.
"""
