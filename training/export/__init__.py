"""What a trained network becomes, and where it goes."""
