"""What the network sees in training: composed, varied, kept as features."""
