"""What must not overtake, be repeated or go back in time."""
