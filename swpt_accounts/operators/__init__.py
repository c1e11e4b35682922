"""What operators see and order: functions, and the listener with API and console."""
