type Level = 'debug' | 'info' | 'warn' | 'error'
const order: Level[] = ['debug', 'info', 'warn', 'error']

export type Log = (level: Level, message: string, detail?: Record<string, unknown>) => void

/** One JSON line a message on stderr (CloudWatch Logs reads both streams), from `SLIPWAY_LOG` up, by default `warn`. */
export function logAt(least: Level): Log {
  return (level, message, detail = {}) => {
    if (order.indexOf(level) < order.indexOf(least)) return
    const shown = Object.fromEntries(
      Object.entries(detail).map(([k, v]) => [
        k,
        v instanceof Error ? { name: v.name, message: v.message, stack: v.stack } : v,
      ]),
    )
    process.stderr.write(`${JSON.stringify({ level, message, ...shown })}\n`)
  }
}
