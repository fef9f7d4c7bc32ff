"""Workbooks, brought into plain form by a process of their own, and what their reader would lose of them."""
