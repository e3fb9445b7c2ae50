/** Loaded first in every process that the supervisor starts: without it there is no table and no queue, so they end with it. */
process.on('disconnect', () => {
  process.kill(process.pid, 'SIGTERM')
  setTimeout(() => process.exit(1), 5_000).unref()
})
