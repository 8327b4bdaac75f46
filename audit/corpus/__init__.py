"""Numbers that only a whole set of items has: one file each, found by the group `audit.corpus_statistics`."""
