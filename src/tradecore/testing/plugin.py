"""The pytest plugin (``pytest11``): imports nothing of tradecore at load; fixtures import what they lend."""
