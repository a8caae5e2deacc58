"""Several environments: what changes between them, what stays, what was acted on."""
