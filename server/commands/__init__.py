"""The commands of the command line, a file for each kind; each only joins parts that are made elsewhere."""
