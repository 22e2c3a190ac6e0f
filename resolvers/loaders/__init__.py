"""Reading in batches: `keys, arguments -> flat rows`, one Core statement each, which the dataloaders call."""
