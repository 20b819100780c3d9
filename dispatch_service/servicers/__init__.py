"""The doors of the dispatch service, one module per gRPC service. They translate; they decide nothing."""
