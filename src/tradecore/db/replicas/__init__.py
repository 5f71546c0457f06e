"""Reading from replicas: which statements may go there, which replica is well, and what its reader has to see."""
