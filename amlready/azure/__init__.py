"""What `az ml` would send, found out by letting it: the real azure-ai-ml in a child process whose whole network is a
control plane on loopback.

The child resolves every host name to that control plane and cannot reach anything else, so the SDK sends the very
requests, to the very addresses, that it would send to Azure. Only `session` is used from outside; nothing else here may
be imported where azure-ai-ml is missing, or in a process that needs the network afterwards.
"""
