"""What is measured: the five built-in suites, each with its tasks and its probes."""
