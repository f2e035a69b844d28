"""What the command `reprise` does, one module a verb; MLproject's entry points do the same."""
