"""Jobs on the synthetic world: film raw videos, render shards, judge videos."""
