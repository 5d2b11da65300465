"""The endpoint on this machine: Microsoft's inference server and Collector, and an agent in place of Azure's.

The parts, in the order data flows through them: `layout` (the container's files and variables), `server`
(azmlinfsrv as a child process), `agent` (what the Collector posts to), `store` (the JSON Lines tree), and
`endpoint`, which ties them together.
"""
