"""What operators ask: functions that only read, and return values."""
