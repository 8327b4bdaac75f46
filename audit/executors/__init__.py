"""One file per executor. Each is an `Executor` (see `audit.registry`)."""
