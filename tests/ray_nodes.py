"""A Ray cluster of several nodes on this machine; run in .venv-ray. Says its address, then does what it is told.

    kill    the last node dies as if its machine lost power
    (end)   the cluster goes with the standard input
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
nodes = [cluster.add_node(num_cpus=1) for _ in range(int(sys.argv[1]))]
sys.stdout.write(f"{cluster.address}\n")
sys.stdout.flush()
for line in sys.stdin:
    if line.strip() == "kill":
        cluster.remove_node(nodes.pop(), allow_graceful=False)
        sys.stdout.write("killed\n")
        sys.stdout.flush()
cluster.shutdown()
