"""Real servers for tests: on 127.0.0.1, at free ports, in temporary folders, gone by themselves."""
