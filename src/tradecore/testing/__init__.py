"""What downstream tests borrow: the pytest plugin."""
