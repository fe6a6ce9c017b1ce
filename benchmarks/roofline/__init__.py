"""How far each model is from what this machine could do: operations and bytes against measured peaks."""
