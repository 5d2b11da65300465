#!/usr/bin/env bash
# Let Azure Monitor choose the number of instances of a deployment by the load on its processors.
# Usage: scripts/autoscale.sh [OPTION...]
#   --endpoint-name NAME    another endpoint than deployment.yml says
#   --deployment-name NAME  another deployment
#   --live                  the deployment that has the live traffic, whichever it is
#   --min N --max N         never fewer or more instances than this (3, 6)
#   --above N --below N     percent of the processors, on average of 5 minutes, to add or drop one at (70, 30)
#   --delete                stop doing it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/azure.sh
source scripts/azure.sh

min=3 max=6 above=70 below=30 live='' delete=''
options 'endpoint-name: deployment-name: live min: max: above: below: delete' "$@"
whole min "$min" 1 50
whole max "$max" "$min" 50
whole above "$above" 2 100
whole below "$below" 1 "$((above - 1))"
names deployment.yml
connect
[[ -z $live ]] || serving

setting=$endpoint.$deployment
[[ -z $delete ]] || { remove_scaling "$setting" && exit; }
id=$(seen online-deployment id --name "$deployment" --endpoint-name "$endpoint")
[[ -n $id ]] || fail "there is no deployment $deployment of $endpoint; scripts/deploy.sh makes one"

wanted="$min $max $above $below"
values='capacity.minimum, capacity.maximum, rules[0].metricTrigger.threshold, rules[1].metricTrigger.threshold'
there=$(monitor autoscale list --query "[?name=='$setting'].profiles[0].[$values] | []" --output tsv |
    sed 's/\.0*$//' | paste -sd ' ' -)
if [[ $there == "$wanted" ]]; then
    say "autoscale: $setting is as it should be"
    exit
elif [[ -z $there ]]; then
    say "autoscale: creating $setting"
    monitor autoscale create --name "$setting" --resource "$id" --location "$region" \
        --min-count "$min" --max-count "$max" --count "$min" --output none
else
    say "autoscale: updating $setting"
    monitor autoscale update --name "$setting" --min-count "$min" --max-count "$max" --count "$min" --output none
    monitor autoscale rule delete --autoscale-name "$setting" --index '*' --output none
fi
for rule in "> $above avg 5m:out" "< $below avg 5m:in"; do
    monitor autoscale rule create --autoscale-name "$setting" --condition "CpuUtilizationPercentage ${rule%:*}" \
        --scale "${rule#*:}" 1 --output none
done
