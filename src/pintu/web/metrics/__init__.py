"""What is counted of a city while it serves, and how that is told: to Prometheus, and to people."""
