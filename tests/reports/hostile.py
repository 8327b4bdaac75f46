"""What a report must bear."""

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=http://evil.example/x.png onerror=alert(2)>",
    "Paris\u202esiraP",
    "bell\x07 start\x01 escape\x1b[31m",  # no NUL: no file has it in its name, and no log
    "long " * 400,
    "{{ 7 * 7 }} {% raw %} &amp; \"quoted\" 'single'",
)
"""Answers that a model could give."""
