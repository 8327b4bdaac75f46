"""The parts of the page, one file each; `reports.html` holds their order."""
