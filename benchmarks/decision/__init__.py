"""What to deploy: every configuration that could, its capacity within the objective, and why the others lost."""
