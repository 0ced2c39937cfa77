"""Delivery of instances to destinations: queues, associations, retries."""
