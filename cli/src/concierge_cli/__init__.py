"""The desk: the operator's one command, `concierge`. The only room that may import every other."""
