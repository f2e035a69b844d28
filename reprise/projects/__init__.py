"""MLflow Projects: their addresses, checkouts, entry points and environments."""
