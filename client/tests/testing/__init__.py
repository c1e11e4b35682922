"""What is for the tests of applications."""
