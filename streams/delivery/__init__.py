"""From records to a destination: user queues, folding, rate limits, outcomes, retries."""
