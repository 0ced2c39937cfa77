"""Rules on live traffic: what is in force, what it decides, and what is written with the decision."""
