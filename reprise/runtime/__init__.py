"""What a step runs inside: its start, its parameters, its recorder."""
