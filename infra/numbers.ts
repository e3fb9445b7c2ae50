/** Settings that are whole numbers: the least that each takes. */
const LEAST = {
  SLIPWAY_MEMORY: 1,
  SLIPWAY_CPU: 1,
  SLIPWAY_MAX_TASKS: 1,
  SLIPWAY_PREPARED: 0,
  SLIPWAY_SETTLE_SECONDS: 0,
  SLIPWAY_SCALING_PERIOD_SECONDS: 1,
  SLIPWAY_QUEUE_PERIOD_SECONDS: 1,
  SLIPWAY_GATEWAY_TIMEOUT: 1,
  SLIPWAY_GATEWAY_WAKE_SECONDS: 1,
  SLIPWAY_GATEWAY_HELD: 1,
  SLIPWAY_GATEWAY_BODY_MB: 1,
}

export type NumberSetting = keyof typeof LEAST

/** `undefined` where it is not set. */
export function numberSetting(env: NodeJS.ProcessEnv, name: NumberSetting): number | undefined {
  const text = env[name]
  if (!text) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < LEAST[name])
    throw new Error(`${name} is ${text}, and it is a whole number from ${LEAST[name]}.`)
  return value
}

/** All of them, before anything is started with one. */
export function checkNumbers(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(LEAST)) numberSetting(env, name as NumberSetting)
}
