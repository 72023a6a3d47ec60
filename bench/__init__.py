"""Measurements that anyone can run again; README.md says how and keeps the results."""
