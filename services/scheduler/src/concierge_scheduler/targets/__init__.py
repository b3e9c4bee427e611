"""Where services run: compose, swarm, or plain processes. The one door to Docker."""
