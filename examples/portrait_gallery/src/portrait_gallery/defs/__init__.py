"""What Dagster shows of the gallery: a folder a stage, its jobs, and its checks."""
