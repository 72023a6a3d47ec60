"""The meeting: joins ear, mind and shelf, shows the meeting and keeps it."""
