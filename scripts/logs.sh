#!/usr/bin/env bash
# Print the end of a deployment's log in Azure and, where it is known, what its last messages mean.
# Usage: scripts/logs.sh [OPTION...]
#   --endpoint-name NAME    another endpoint than deployment.yml says
#   --deployment-name NAME  another deployment
#   --lines NUMBER          how much of it (200)
#   --container NAME        inference-server, or storage-initializer, which fetches model and code (inference-server)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/azure.sh
source scripts/azure.sh

lines=200 container=inference-server
options 'endpoint-name: deployment-name: lines: container:' "$@"
whole lines "$lines" 1 100000
case $container in inference-server | storage-initializer) ;; *) wrong "there is no container $container" ;; esac
names deployment.yml
connect

aml online-deployment get-logs --name "$deployment" --endpoint-name "$endpoint" --container "$container" \
    --lines "$lines" | tee "$errors"
likely_cause "$errors"
