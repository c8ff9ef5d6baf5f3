"""A comparison's tables as text."""
