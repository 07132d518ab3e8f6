"""One file a figure; every figure stands beside a floor measured in the same run."""
