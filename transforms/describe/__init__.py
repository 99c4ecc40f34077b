"""Pictures, tables and the HTML report: what a person would rather look at."""
