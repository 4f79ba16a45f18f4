"""Clean: one table at a time, tidy text and known years, under our own names."""
