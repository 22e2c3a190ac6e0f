"""The explorer: GraphiQL and our own panel, and the plain page that stands in for it."""
