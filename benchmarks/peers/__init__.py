"""The sides of the comparison, one module each; every one answers the same questions about the same rows."""
