"""The doors: HTTP, webhooks, providers, the dispatcher, the command line."""
