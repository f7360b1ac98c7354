"""Payment providers: one adapter a file, all with the same small port."""
