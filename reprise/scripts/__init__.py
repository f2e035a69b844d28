"""`reprise.Experiment`: recorded runs of scripts and notebooks."""
