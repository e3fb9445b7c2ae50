/**
 * Loaded first in every process that the supervisor starts. Without it there is no table and no queue, so they end
 * with it. A Ctrl-C reaches every process of the terminal, and here the supervisor alone hears it and ends the
 * others in order: whatever they load may ask for SIGINT in vain.
 */
process.on('disconnect', () => {
  process.kill(process.pid, 'SIGTERM')
  setTimeout(() => process.exit(1), 5_000).unref()
})

process.on('SIGINT', () => undefined)
const { on } = process
process.on = ((event: string, listener: (...args: unknown[]) => void) =>
  event === 'SIGINT' ? process : on.call(process, event, listener)) as typeof process.on
