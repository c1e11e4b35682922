"""Programs of the README and of the guide; tests run them."""
