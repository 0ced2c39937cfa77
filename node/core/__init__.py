"""What every use case needs: clock, errors, logs."""
