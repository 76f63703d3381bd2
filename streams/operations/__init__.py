"""What an operator runs beside the workers: replay, redrive and trace."""
