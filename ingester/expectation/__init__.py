"""What a feed expects: when its drops are due, and how large they are. Whatever falls short of it raises an alert."""
