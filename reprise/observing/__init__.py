"""Records, from outside, runs whose processes do not record themselves: of any project."""
