"""How a document runs: read and limited, planned or left to graphql-core, and answered."""
