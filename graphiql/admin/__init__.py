"""Pages rendered on the server: each runs one operation of `operations/` and links to it in the explorer."""
