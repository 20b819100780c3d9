"""The parts of the front door's configuration; `stack.envoy_config` puts them together."""
