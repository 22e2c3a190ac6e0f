"""Proof: sealing snapshots, signing checkpoints, and building packs that verify offline."""
