"""The write side: what may happen, and what did. Knows no HTTP, no provider, no read model."""
