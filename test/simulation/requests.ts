import type { ScalingName } from '../../domain/scaling/api.ts'
import type { OperationName } from '../../domain/wire/operations.ts'
import { answerEcs, refusalOf } from '../../functions/api/pipeline.ts'
import { answerScaling } from '../../functions/api/scaling.ts'
import { schedulerEdge } from '../../functions/api/scheduler.ts'
import type { Asker } from '../../functions/perform.ts'
import type { Ports } from '../../functions/ports.ts'
import type { Answer } from './clients.ts'
import { CALLER, invoke, type Site } from './functions.ts'

/** Requests of clients, through the same doors as at the edge, below HTTP; and what the clients get to know. */

export const request = (site: Site, name: OperationName, input: object): Promise<Answer> =>
  ask(site, `${name} ${JSON.stringify(input)}`, (ports, who) =>
    answerEcs(name, JSON.stringify(input), who, ports),
  )

export const askScaling = (site: Site, name: ScalingName, input: object): Promise<Answer> =>
  ask(site, `${name} ${JSON.stringify(input)}`, (ports, who) =>
    answerScaling(name, JSON.stringify(input), who, ports),
  )

/** As on one machine, where a rate may be in seconds. */
export const askScheduler = (site: Site, method: string, target: string, input: object): Promise<Answer> => {
  const body = method === 'GET' || method === 'DELETE' ? '' : JSON.stringify(input)
  return ask(site, `${method} ${target} ${body}`, (ports, who) =>
    schedulerEdge({ seconds: true }, ports)({ method, target, body }, who),
  )
}

async function ask(
  site: Site,
  what: string,
  answer: (ports: Ports, who: Asker) => Promise<string>,
): Promise<Answer> {
  const seed = `request ${++site.count.requests}`
  const outcome = await invoke(site, 'api', (ports) => answer(ports, { caller: CALLER, seed }))
  site.scheduler.say(() => `client: ${what}: ${outcome.ended}`)
  if (outcome.ended === 'failed') {
    const refusal = refusalOf(outcome.error, { log: () => {} })
    return refusal.status < 500 ? { answer: 'refused', type: refusal.type } : { answer: 'lost' }
  }
  if (outcome.ended !== 'done' || site.random.chance(site.mood.lostReply)) return { answer: 'lost' }
  return { answer: 'given', output: JSON.parse(outcome.value) }
}
