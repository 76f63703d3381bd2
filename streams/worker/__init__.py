"""A worker's process: its Faust app, pages, readiness and dry run."""
