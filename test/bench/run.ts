import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Section } from './report.ts'

/** Loaded when asked for: each brings clients that the others do without. */
const sections: Record<string, (options: { readonly tasks: number }) => Promise<Section>> = {
  economics: async () => (await import('./economics.ts')).economics(),
  idle: async () => (await import('./idle.ts')).idle(),
  launch: async () => (await import('./launch.ts')).launch(),
  wake: async () => (await import('./wake.ts')).wake(),
  services: async () => (await import('./services.ts')).services(),
  api: async () => (await import('./api.ts')).api(),
  gateway: async () => (await import('./gateway.ts')).gateway(),
  placement: async ({ tasks }) => (await import('./placement.ts')).placement(tasks),
}

const help = `Usage: npm run bench [-- --only NAME]... [-- --json FILE]

Measures Slipway on this machine. Nothing else should run meanwhile.

  --only NAME   one section, may be repeated: ${Object.keys(sections).join(', ')} (all)
  --json FILE   the figures as JSON, besides the tables
  --tasks N     how many tasks are queued for placement (10000, which takes about five minutes)
  --help        this text

  economics     units, requests and dollars per task, on DynamoDB's own local server (needs java and mvn)
  idle          dollars a month of an installation that does nothing, on DynamoDB's own local server (needs java and mvn)
  launch        RunTask to container started, against the engine itself (needs a Docker Engine)
  wake          a request, and a message, to a service at zero: from nothing, from created, from frozen, against the engine
                itself
  services      a killed task to its replacement, and a service of thirty, against the engine and Docker Swarm
  api           requests per second of DescribeTasks and RunTask, with simulated capacity
  gateway       requests per second to a service, next to nginx before the same servers (needs nginx-light)
  placement     queued tasks accepted and drained, against the rate of simulated capacity; units and dollars of those
                that wait for room (needs java and mvn)

Exit code: 0 when every section was measured, 1 when one could not be, 2 when called in a wrong way.`

async function main(): Promise<number> {
  const { only, json, tasks, help: asked } = readArguments()
  if (asked) {
    console.log(help)
    return 0
  }
  const unknown = only.filter((name) => !Object.hasOwn(sections, name))
  if (unknown.length > 0) throw new WrongCall(`No section is called ${unknown.join(', ')}`)
  if (!/^[1-9]\d*$/.test(tasks)) throw new WrongCall(`--tasks is ${tasks}, and it is a whole number from 1`)
  const measured: Section[] = []
  let failed = false
  for (const name of only.length > 0 ? only : Object.keys(sections)) {
    console.log(`\n${name}\n${'='.repeat(name.length)}`)
    try {
      const section = await sections[name]!({ tasks: Number(tasks) })
      console.log(section.text)
      measured.push(section)
    } catch (error) {
      failed = true
      console.log(`Could not be measured: ${error instanceof Error ? error.message : String(error)}`)
      if (process.env.SLIPWAY_LOG === 'debug') console.error(error)
    }
  }
  if (json) {
    const figures = Object.fromEntries(measured.map((s) => [s.name, s.figures]))
    writeFileSync(json, `${JSON.stringify({ at: new Date().toISOString(), ...figures }, undefined, 2)}\n`)
  }
  return failed ? 1 : 0
}

class WrongCall extends Error {}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        json: { type: 'string' },
        tasks: { type: 'string', default: '10000' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    return values
  } catch (error) {
    throw new WrongCall(error instanceof Error ? error.message : String(error))
  }
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    console.error(error instanceof WrongCall ? `${error.message}\n\n${help}` : error)
    process.exit(error instanceof WrongCall ? 2 : 1)
  },
)
