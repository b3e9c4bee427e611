"""The demonstration: a small web shop under a load that rises and falls, and the whole loop around it."""
