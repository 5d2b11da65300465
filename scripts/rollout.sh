#!/usr/bin/env bash
# Replace the deployment that serves by another one: beside it at first, then with 10, 50 and 100 percent of the
# traffic, and a check after each step. Whatever goes wrong, Ctrl-C too, all traffic goes back to the old one.
# Usage: scripts/rollout.sh [OPTION...]
#   --file FILE          the new deployment (variants/green.yml)
#   --alternate          take deployment.yml for the new one, if that of FILE serves already
#   --endpoint-file FILE, --endpoint-name NAME, --deployment-name NAME, --set KEY=VALUE...
#                        as for scripts/deploy.sh, which makes the new deployment, and the first if nothing serves yet
#   --request FILE       what it is called with in a check (sample-request.json)
#   --requests N         how often (10)
#   --tolerate PERCENT   how many of the calls may fail (0)
#   --mirror PERCENT     before the first step, let it have copies of so many live requests, at most 50 (0)
#   --pause SECONDS      how long a step lasts before its check (60)
#   --delete-old         delete the old deployment in the end
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/azure.sh
source scripts/azure.sh

file='' alternate='' endpoint_file='' delete_old=''
options "file: alternate endpoint-file: endpoint-name: deployment-name: set \
request: requests: tolerate: mirror: pause: delete-old" "$@"
whole requests "$requests" 1 1000
whole tolerate "$tolerate" 0 99
whole mirror "$mirror" 0 50
whole pause "$pause" 0 86400
file=$(as_given "$file" variants/green.yml)
request=$(as_given "$request" sample-request.json)
[[ -z $endpoint_file ]] || endpoint_file=$(as_given "$endpoint_file" '')
names "$file"
connect

traffic=''
[[ -z $(settled online-endpoint --name "$endpoint") ]] || traffic=$(shares traffic)
serving=$(live "$traffic")
if [[ -n $alternate && ($serving == "$deployment" || -z $serving) ]]; then
    file=deployment.yml
    names "$file"
fi
deploy=(scripts/deploy.sh --file "$file" --endpoint-name "$endpoint" --deployment-name "$deployment"
    ${endpoint_file:+--endpoint-file "$endpoint_file"} ${sets[@]+--set "${sets[@]}"})
old=$(tr ' ' '\n' <<<"$serving" | grep -vx -- "$deployment" || true)

if [[ -z $serving ]]; then
    say "nothing serves yet, so there is nothing to replace"
    rm -f "$errors"
    exec "${deploy[@]}"
elif [[ -z $old ]]; then
    say "$deployment has all the traffic already"
    old=$(aml online-deployment list --endpoint-name "$endpoint" --query "[?name!='$deployment'].name" --output tsv)
else
    [[ $old != *$'\n'* ]] || fail "more than one deployment serves ($traffic); give all traffic to one of them first"
    # What is left of a rollout that was killed.
    [[ " $serving " != *" $deployment "* ]] || send "$old=100"
    "${deploy[@]}"
    probe --deployment-name "$deployment"
    trap 'status=$?; rm -f "$errors"; ((status == 0)) || give_back "$old"; exit "$status"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if ((mirror)); then
        stage "$deployment=$mirror" mirror-traffic
        send "$deployment=0" mirror-traffic
    fi
    for share in 10 50 100; do stage "$old=$((100 - share)) $deployment=$share"; done
    probe
    trap 'rm -f "$errors"' EXIT
    say "$deployment has all the traffic; to have it watched and scaled: scripts/monitor.sh and autoscale.sh --live"
fi
if [[ -n $delete_old && $old != *$'\n'* ]]; then
    [[ -z $old ]] || remove_deployment "$old"
elif [[ -n $old ]]; then
    say "still there and paid for, without traffic: ${old//$'\n'/, }; scripts/delete.sh --deployment-name NAME"
fi
