"""One file per method. Each is a `Compressor` (see `audit.registry`)."""
