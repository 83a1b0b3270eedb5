"""What is well and what is not: services, this machine, models, workers and the queue."""
