"""What is asked: a run, an experiment, its claims; read from TOML and the command line."""
