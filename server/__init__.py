"""The composition root: what puts the parts together and starts them."""
