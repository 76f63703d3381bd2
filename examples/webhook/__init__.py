"""A destination as an example: posts records to an address, a user's in their order."""
