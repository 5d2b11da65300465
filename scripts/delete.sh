#!/usr/bin/env bash
# Delete the endpoint in Azure with all its deployments, their autoscaling and the monitor; or one deployment that
# serves nobody. Models, environments and collected data stay.
# Usage: scripts/delete.sh [OPTION...]
#   --endpoint-name NAME    another endpoint than deployment.yml says
#   --deployment-name NAME  this deployment only
#   --yes                   do not ask
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/azure.sh
source scripts/azure.sh

yes=''
options 'endpoint-name: deployment-name: yes' "$@"
names deployment.yml
connect

# confirm WHAT NAME: that the user types the name, or gave --yes.
confirm() {
    local answer
    [[ -z $yes ]] || return 0
    printf 'This deletes the %s, in the workspace %s.\nType its name to go on: ' "$1 $2" "$AML_WORKSPACE" >&2
    read -r answer || true
    [[ $answer == "$2" ]] || fail "nothing was deleted"
}

state=$(settled online-endpoint --name "$endpoint")
if [[ -n ${deployment_name-} ]]; then
    [[ -z $state ]] || state=$(settled online-deployment --name "$deployment" --endpoint-name "$endpoint")
    [[ -n $state ]] || { say "there is no deployment $deployment of $endpoint" && exit 0; }
    traffic=$(shares traffic)
    [[ " $(live "$traffic") " != *" $deployment "* ]] ||
        fail "$deployment has live traffic ($traffic); give it to another one first: scripts/rollout.sh"
    confirm deployment "$deployment"
    remove_deployment "$deployment"
    exit
fi
if [[ -n $state ]]; then
    confirm 'endpoint and all its deployments:' "$endpoint"
    say "endpoint: deleting $endpoint"
    aml online-endpoint delete --name "$endpoint" --yes --output none
else
    say "there is no endpoint $endpoint"
fi
remove_scaling "$endpoint"
remove_monitor "$(monitor_of monitor.yml)"
