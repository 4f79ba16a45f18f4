"""Output: documents and sitemaps where the website takes them."""
