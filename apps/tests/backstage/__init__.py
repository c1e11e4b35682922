"""What tests of applications work with: the running program, and who talks to it."""
