#!/usr/bin/env bash
# Have what a deployment collects watched for drift: apply monitor.yml, a schedule in the workspace.
# Usage: scripts/monitor.sh [OPTION...]
#   --file FILE             the monitor (monitor.yml)
#   --endpoint-name NAME    watch another endpoint than the file says, by a monitor called NAME-monitor
#   --deployment-name NAME  watch another deployment, such as green after a rollout
#   --live                  watch the deployment that has the live traffic, whichever it is
#   --email ADDRESS         whom to tell when a threshold is crossed
#   --set KEY=VALUE...      change the monitor, as az ml does: --set trigger.frequency=week
#   --delete                stop watching
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/azure.sh
source scripts/azure.sh

file='' live='' email='' delete=''
options 'file: endpoint-name: deployment-name: live email: set delete' "$@"
file=$(as_given "$file" monitor.yml)
target=$(watched "$file")
endpoint_name=${endpoint_name:-${AML_ENDPOINT:-${target%%:*}}} deployment_name=${deployment_name:-${target##*:}}
names "$file"
name=$(monitor_of "$file")

if [[ -n $delete ]]; then
    connect
    remove_monitor "$name"
    exit
fi
say "check: $file"
amlready=$(amlready_program)
"$amlready" check "$file" || fail "nothing was sent; mend this first"
connect
[[ -z $live ]] || serving

# Without both collections az would end in a traceback.
of='data_collector.collections.model'
collects=$(seen online-deployment "join(' ', [${of}_inputs.enabled || '-', ${of}_outputs.enabled || '-'])" \
    --name "$deployment" --endpoint-name "$endpoint")
[[ -n $collects ]] || fail "there is no deployment $deployment of $endpoint; scripts/deploy.sh makes one"
[[ $collects == 'true true' ]] ||
    fail "$deployment does not collect both model_inputs and model_outputs, as monitoring needs; amlready explain not-monitored"

say "monitor: $name watches $endpoint:$deployment"
# create also replaces what is there; update takes no file.
attempt aml schedule create --file "$file" --name "$name" \
    --set "create_monitor.monitoring_target.endpoint_deployment_id=azureml:$endpoint:$deployment" \
    ${email:+"create_monitor.alert_notification.emails[0]=$email"} ${sets[@]+"${sets[@]}"} --output none ||
    failed "monitor $name"
