"""Takes journals in: the wire, the guard, the store. Everything else is read from what this keeps."""
