"""Speed and memory against peers: figures from one run on one machine, no tests."""
