"""Input from others: limits, safe reading of documents, hosts, and permissions to read."""
