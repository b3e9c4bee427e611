"""The gateway: HTTP in, message out. Believes a webhook, makes it a command, and answers 202 once it is stored."""
