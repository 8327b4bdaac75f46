"""What every report says of itself."""

DISCLAIMER = (
    "This is evidence that software produced under a stated protocol. It is not legal advice, not a "
    "conformity assessment, not an audit in the legal sense and not a certification. It holds only for the "
    "artefacts with the digests given here, on these tasks, with these settings, on this date."
)
OF_A_MODEL = "A benchmark of a model is no test of a system in its intended use."
