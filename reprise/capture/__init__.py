"""What a run depends on: its code, its environment, and what decides the last bits."""
