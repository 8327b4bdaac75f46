"""What changed between two audits, for people."""
