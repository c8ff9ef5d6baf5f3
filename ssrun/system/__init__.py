"""What the rest stands on: files, sealed documents, signals, the environment, text that steers nothing."""
