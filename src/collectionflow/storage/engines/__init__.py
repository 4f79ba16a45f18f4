"""What computes a table: an engine a file, Polars unless an annotation says otherwise."""
