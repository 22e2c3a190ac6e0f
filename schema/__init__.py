"""What clients see: Strawberry types, inputs, thin fields, and how refusals reach them."""
