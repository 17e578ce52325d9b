"""Judge a run against a baseline, or one side against another, and say how sure the judgement is."""
