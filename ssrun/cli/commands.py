"""All commands together: those of `cli`, and those of the files beside it."""

from __future__ import annotations

from ssrun.cli import inside as cli_inside
from ssrun.cli import pages as cli_pages
from ssrun.cli import results as cli_results
from ssrun.cli.app import app

cli_results.register(app)
cli_inside.register(app)
cli_pages.register(app)

__all__ = ["app"]
