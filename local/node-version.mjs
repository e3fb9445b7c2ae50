import module from 'node:module'
import { fileURLToPath } from 'node:url'

// Loaded before everything else (`node --import`), by whatever Node npm found: plain JavaScript on purpose.
if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `Slipway's scripts run on Node 24, which npm's package "node" brings, and this is Node ${process.versions.node}. ` +
      'Its install script seems to have been blocked: run "npm rebuild node --ignore-scripts=false", or put Node 24 on the PATH, and try again.',
  )
  process.exit(1)
}

// Compiled code is kept from start to start, here and in the processes that are started from here: a third of the start.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../.build/cache', import.meta.url))
module.enableCompileCache(process.env.NODE_COMPILE_CACHE)
