"""Measurements, run by hand or by CI's timing job; the tests never time anything."""
