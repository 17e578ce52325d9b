"""Tell a training in MLPerf's terms: its log, and the time that it scores."""
