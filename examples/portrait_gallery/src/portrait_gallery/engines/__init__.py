"""Stages written for other engines, each of them an asset beside the one that it may replace."""
