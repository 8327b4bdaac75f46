"""What every report says of itself, on one line."""

DISCLAIMER = (
    "Evidence that software produced under a stated protocol: no legal advice, no conformity assessment, no "
    "audit in the legal sense, no certification. It holds only for the artefacts with the digests given, on "
    "these tasks, with these settings, on this date."
)
