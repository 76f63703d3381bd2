"""AB Tasty: audiences become segments of its visitors."""
