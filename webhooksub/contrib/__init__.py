"""Frameworks that webhooksub fits into. Each module needs the extra of its name."""
