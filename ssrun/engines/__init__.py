"""Where cells run: local processes first."""
