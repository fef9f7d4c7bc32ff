"""The clocks: APScheduler keeps the times at which somebody looks; who works on what is the queue's decision."""
