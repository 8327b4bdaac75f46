"""Paired tests, intervals, corrections and power: counts and arrays in, numbers out.

Convention throughout: `lost` items were right before and wrong after, `gained` the other way round;
the drop is before − after = (lost − gained) / n, so a positive drop is a loss.
"""
