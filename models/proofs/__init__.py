"""What makes a count provable: canonical texts, Merkle trees, signed and chained checkpoints, verification."""
