-- The health of a DatabaseBackup, a DatabaseRestore or a BackupPolicy, for Argo CD. It goes by the same
-- conditions as kstatus, and needs no library of Lua's.
local health = { status = "Progressing", message = "Holdfast has not looked at it yet" }
if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "Holdfast has not looked at its last change yet"
  return health
end
health.message = obj.status.message or ""
if obj.status.phase == "AwaitingConfirmation" then
  health.status = "Suspended"
  return health
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" and health.message == "" then
    health.message = condition.message
  end
  if condition.status == "True" and condition.type == "Reconciling" then
    health.message = condition.message
    return health
  end
  if condition.status == "True" and condition.type == "Stalled" then
    health.status = "Degraded"
    health.message = condition.message
    return health
  end
end
health.status = "Healthy"
return health
