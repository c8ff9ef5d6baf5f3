"""All commands together: those of `cli`, and those of the files beside it."""

from __future__ import annotations

from ssrun import cli_inside, cli_pages, cli_results
from ssrun.cli import app

cli_results.register(app)
cli_inside.register(app)
cli_pages.register(app)

__all__ = ["app"]
