"""What azure-ai-ml says of a spec against what amlready says of it, and mutants of valid specs to ask both about."""
