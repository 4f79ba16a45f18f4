"""Eight small assets in a chain, to measure what a job costs besides its work."""
