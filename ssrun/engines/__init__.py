"""Where runs go: local processes first."""
