"""Runs on disk: executed, checkpointed, resumed, verified, merged, cleaned."""
