"""What comes from elsewhere: limits, documents read safely, hosts, and what may be read at all."""
