"""How many requests a destination takes, and how workers share that number."""
