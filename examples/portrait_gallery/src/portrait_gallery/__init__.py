"""A portrait gallery's collection, from its tables to its website's documents."""
