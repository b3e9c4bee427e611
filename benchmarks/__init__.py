"""What Concierge must reach, measured against something else in the same run."""
