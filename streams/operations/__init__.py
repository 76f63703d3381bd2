"""The operations that a person runs beside the workers: replay, redrive and trace."""
