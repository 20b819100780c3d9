"""Policy: the shipped rules, and the machinery that reads them."""
