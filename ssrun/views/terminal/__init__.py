"""Tables and live pictures on a terminal."""
