#!/usr/bin/env bash
# Apply this repository to the workspace: endpoint, environment, model, deployment and, for the first one, traffic.
# What is there is kept or updated. Live traffic stays where it is.
# Usage: scripts/deploy.sh [OPTION...]
#   --file FILE             the deployment (deployment.yml)
#   --endpoint-file FILE    its endpoint (endpoint.yml)
#   --local-model           the deployment is variants/local-model.yml, for which nothing is registered
#   --endpoint-name NAME    another endpoint than the files say
#   --deployment-name NAME  another deployment than the file says
#   --set KEY=VALUE...      change the deployment, as az ml does: --set model=azureml:scikit-model:2 instance_count=1
#   --all-traffic           send it all live traffic, also when another deployment has some
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/azure.sh
source scripts/azure.sh

file='' endpoint_file='' local_model='' all_traffic=''
options 'file: endpoint-file: local-model endpoint-name: deployment-name: set all-traffic' "$@"
file=$(as_given "${file:-${local_model:+variants/local-model.yml}}" deployment.yml)
endpoint_file=$(as_given "$endpoint_file" endpoint.yml)
names "$file"

check "$endpoint_file" "$file"
connect
put_endpoint "$endpoint_file"
register environment environment.yml "$(chosen environment "$file")"
register model model.yml "$(chosen model "$file")"
put_deployment "$file"
if [[ -n $(live "$traffic") && -z $all_traffic ]]; then
    say "traffic: stays $traffic"
elif [[ " $traffic " != *" $deployment=100 "* ]]; then
    send "$deployment=100"
fi
landing "$file"
