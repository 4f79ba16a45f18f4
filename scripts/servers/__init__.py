"""Real servers for tests, benchmarks and trying things out; each module runs by itself."""
