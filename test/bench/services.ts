import {
  CreateServiceCommand,
  DeleteServiceCommand,
  DescribeServicesCommand,
  RegisterTaskDefinitionCommand,
} from '@aws-sdk/client-ecs'
import Docker from 'dockerode'
import { ensureHelloImage } from '../../local/hello-image.ts'
import { dynamoDbLocalOrReason, openDynamoDbLocal } from '../support/dynamodb-local.ts'
import { engineOrReason } from '../support/engine.ts'
import { eventually, type Slipway } from '../support/slipway.ts'
import { openWorld } from './economics.ts'
import { type Counts, nothing } from './prices.ts'
import { clearRaw, rawContainer, rawRate, startRaw, type Watch, watchEngine } from './raw-engine.ts'
import { aligned, median, type Section } from './report.ts'
import { commands, furnish, IMAGE, openStack, preparedAgain } from './stack.ts'
import { timedCapacity } from './timed-capacity.ts'

const ROUNDS = 8
const MANY = 30
const READY = 48

/** What a service costs and how soon it is whole again: against the engine's own calls, and Docker Swarm. */
export async function services(): Promise<Section> {
  const engine = await engineOrReason()
  if ('reason' in engine) throw new Error(engine.reason)
  await ensureHelloImage(engine.socket)
  const docker = new Docker({ socketPath: engine.socket })
  const watch = await watchEngine(docker)
  const stack = await openStack({ SLIPWAY_PREPARED: String(READY) })
  try {
    const replaced = await measureReplacement(docker, watch, stack)
    const whole = await measureThirty(docker, watch, stack)
    const standing = await measureStanding()
    return {
      name: 'services',
      figures: { replaced, whole, standing },
      text: [tellReplacement(replaced), tellThirty(whole), standing.text].join('\n\n'),
    }
  } finally {
    await clearRaw(docker)
    await stack.remove()
    watch.close()
  }
}

async function openService({ ecs }: Slipway, serviceName: string, desiredCount: number): Promise<void> {
  // It does not hear SIGTERM: without a limit each end would take half a minute.
  const main = { name: 'main', image: IMAGE, command: commands.long, memory: 32, stopTimeout: 2 }
  await ecs.send(new RegisterTaskDefinitionCommand({ family: 'kept', containerDefinitions: [main] }))
  await ecs.send(new CreateServiceCommand({ serviceName, taskDefinition: 'kept', desiredCount }))
}

const steady = ({ ecs }: Slipway, service: string): Promise<true> =>
  eventually(
    async () => {
      const { services: found } = await ecs.send(new DescribeServicesCommand({ services: [service] }))
      return found?.[0]?.events?.[0]?.message?.endsWith('has reached a steady state.') || undefined
    },
    120,
    `${service} to be steady`,
  )

const gone = async ({ ecs }: Slipway, service: string): Promise<void> => {
  await ecs.send(new DeleteServiceCommand({ service, force: true }))
  await eventually(async () => {
    const { services: found } = await ecs.send(new DescribeServicesCommand({ services: [service] }))
    return found?.[0]?.status === 'INACTIVE' || undefined
  }, 120)
}

/** A container's kill to the start of the one in its place, against one raw start. */
async function measureReplacement(docker: Docker, watch: Watch, stack: Slipway) {
  const raw = rawContainer(IMAGE, commands.long)
  const samples = { replaced: [] as number[], raw: [] as number[] }
  for (let round = -1; round < ROUNDS; round++) {
    const { calledAt, startedAt } = await startRaw(docker, watch, raw)
    await clearRaw(docker)
    const name = `killed-${round + 1}`
    await openService(stack, name, 1)
    await steady(stack, name)
    const [container] = await docker.listContainers({
      filters: { label: ['slipway.container', 'com.amazonaws.ecs.task-definition-family=kept'] },
    })
    const from = watch.events.length
    const killedAt = Date.now()
    await docker.getContainer(container!.Id).kill()
    const { at } = await watch.seen((e) => watch.events.indexOf(e) >= from && isTaskStart(e))
    if (round >= 0) {
      samples.raw.push(startedAt - calledAt)
      samples.replaced.push(at - killedAt)
    }
    await gone(stack, name)
  }
  const pairs = samples.replaced.map((ms, n) => ms / samples.raw[n]!)
  return {
    rounds: ROUNDS,
    samples,
    ofRaw: median(samples.replaced) / median(samples.raw),
    pairedRatio: median(pairs),
  }
}

const isTaskStart = (event: { action: string; labels: Readonly<Record<string, string>> }): boolean =>
  event.action === 'start' && event.labels['slipway.role'] === 'container'

/** A service of thirty tasks, from its call to the last start: against the engine's best rate, and Swarm. */
async function measureThirty(docker: Docker, watch: Watch, stack: Slipway) {
  const raw = rawContainer(IMAGE, commands.long)
  let best = 0
  for (const atOnce of [2, 4, 8]) {
    best = Math.max(best, await rawRate(docker, watch, raw, MANY, atOnce))
    await clearRaw(docker)
  }
  await preparedAgain(docker, stack, READY)
  const slipway = await startsOf(watch, isTaskStart, () => openService(stack, 'thirty', MANY))
  const began = Date.now()
  await steady(stack, 'thirty')
  const steadyMs = slipway + (Date.now() - began)
  await gone(stack, 'thirty')
  await fetch(`${stack.endpoint}/_slipway/reset`, { method: 'POST' })
  await furnish(stack)
  return { raw: (MANY / best) * 1_000, slipway, steadyMs, swarm: await swarm(docker, watch) }
}

async function startsOf(
  watch: Watch,
  isOne: (event: Watch['events'][number]) => boolean,
  call: () => Promise<unknown>,
): Promise<number> {
  const from = watch.events.length
  const began = Date.now()
  await call()
  await eventually(
    async () => watch.events.slice(from).filter(isOne).length >= MANY || undefined,
    180,
    'all to start',
  )
  return watch.events.slice(from).filter(isOne)[MANY - 1]!.at - began
}

/** Milliseconds, or why Swarm mode could not be entered. */
async function swarm(docker: Docker, watch: Watch): Promise<number | string> {
  try {
    await docker.swarmInit({ ListenAddr: '127.0.0.1:0', AdvertiseAddr: '127.0.0.1' })
  } catch (error) {
    return `swarm mode could not be entered: ${String(error)}`
  }
  try {
    const spec = {
      Name: 'slipway-bench',
      TaskTemplate: {
        ContainerSpec: { Image: IMAGE, Command: commands.long },
        Resources: { Limits: { MemoryBytes: 32 * 2 ** 20 } },
      },
      Mode: { Replicated: { Replicas: MANY } },
    }
    const isOne = (e: Watch['events'][number]) =>
      e.action === 'start' && e.labels['com.docker.swarm.service.name'] === spec.Name
    return await startsOf(watch, isOne, () => docker.createService(spec))
  } finally {
    await docker.swarmLeave({ force: true })
  }
}

/** An hour in which a service's tasks only run. */
async function measureStanding() {
  const local = await dynamoDbLocalOrReason()
  if ('reason' in local) return { text: `A service at rest was not measured: ${local.reason}` }
  const server = await openDynamoDbLocal(local.jars)
  try {
    const hour = async (services: number): Promise<Counts> => {
      const world = await openWorld(server, timedCapacity({ startMs: 0 }))
      for (let n = 0; n < services; n++)
        await world.call('CreateService', {
          serviceName: `service-${n}`,
          taskDefinition: 'orders-export',
          desiredCount: 2,
          launchType: 'FARGATE',
          networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-0a1b2c3d4e5f60718'] } },
        })
      await world.play(300_000, ['sweeper'])
      Object.assign(world.meter, { api: nothing(), worker: nothing(), sweeper: nothing() })
      await world.play(3_600_000, ['sweeper'])
      world.close()
      const { worker, sweeper } = world.meter
      const both = nothing()
      for (const name of Object.keys(both) as (keyof Counts)[]) both[name] = worker[name] + sweeper[name]
      return both
    }
    const SERVICES = 10
    const [idle, busy] = [await hour(0), await hour(SERVICES)]
    const per = (of: (counts: Counts) => number) => (of(busy) - of(idle)) / SERVICES
    const writes = per((c) => c.writeUnits + c.indexWriteUnits)
    const reads = per((c) => c.readUnits + c.indexReadUnits)
    const messages = per((c) => c.messages)
    return {
      writes,
      reads,
      messages,
      text: `A service of two tasks at rest: ${writes.toFixed(2)} write units, ${reads.toFixed(2)} read units and ${messages.toFixed(2)} messages an hour.`,
    }
  } finally {
    await server.close()
  }
}

const tellReplacement = (found: Awaited<ReturnType<typeof measureReplacement>>): string =>
  aligned(
    ['ms', 'median', 'of raw', 'pair by pair'],
    [
      [
        'kill to the start of its replacement',
        median(found.samples.replaced),
        found.ofRaw,
        found.pairedRatio,
      ],
      ['raw create + start, bridge', median(found.samples.raw), 1, 1],
    ],
  )

const tellThirty = ({
  raw,
  slipway,
  steadyMs,
  swarm: other,
}: Awaited<ReturnType<typeof measureThirty>>): string =>
  aligned(
    [`service of ${MANY}, call to the last start`, 'ms', 'of raw'],
    [
      ['Slipway', slipway, slipway / raw],
      ['Slipway, to its steady state', steadyMs, steadyMs / raw],
      ['the engine’s own best rate', raw, 1],
      typeof other === 'string' ? ['Docker Swarm', other, ''] : ['Docker Swarm', other, other / raw],
    ],
  )
