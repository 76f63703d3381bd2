"""What is measured: each module is one process, the product's worker or a rival of it."""
