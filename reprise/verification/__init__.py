"""Judge replays by a policy of the verifier's, sign what was found, and let a promotion need it."""
