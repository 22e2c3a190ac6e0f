"""The statements of a fold, each for all lines of one organization at once."""
