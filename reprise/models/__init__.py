"""Models: stored with reviewed types only, registered, promoted."""
