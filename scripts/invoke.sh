#!/usr/bin/env bash
# Call the endpoint in Azure and print its answer. The key, or token, is fetched by az and shown nowhere.
# Usage: scripts/invoke.sh [OPTION...] [REQUEST]     REQUEST is a file with JSON (sample-request.json)
#   --endpoint-name NAME    another endpoint than deployment.yml says
#   --deployment-name NAME  this deployment, whatever its share of the traffic
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/azure.sh
source scripts/azure.sh

options 'endpoint-name: deployment-name: words' "$@"
((${#words[@]} <= 1)) || wrong "one request at a time"
request=$(as_given "${words[0]-}" sample-request.json)
names deployment.yml
connect

attempt aml online-endpoint invoke --name "$endpoint" --request-file "$request" \
    ${deployment_name:+--deployment-name "$deployment"} --output tsv || failed "calling $endpoint"
