"""The read side: what the book says, asked by position, each module one question."""
