import type { Stored } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import type { Service, Zero, ZeroSpan } from '../../domain/service-model.ts'
import { SCOPE } from './functions.ts'
import type { MemoryStore } from './store.ts'

/** What the record of a service says of its times at zero, as it is written: none is forgotten, and none begins before another has ended. */
export function zerosAmiss(
  before: Service | undefined,
  service: Service,
  store: MemoryStore,
): string | undefined {
  const { status, desiredCount, zeroSince, zeros = [] } = service
  if ((status === 'ACTIVE' && desiredCount === 0) !== (zeroSince !== undefined))
    return `is ${status} and wants ${desiredCount}, at zero since ${zeroSince}`
  for (const old of before?.zeros ?? [])
    if (!zeros.some(({ from }) => from === old.from) && !isFiled(service, old, store))
      return `forgets its time at zero from ${old.from}`
  return overlap(zeros, zeroSince)
}

function isFiled(service: Service, { from, to }: Zero, store: MemoryStore): boolean {
  const { key } = keys.zeroSpan(SCOPE, service, { from, to })
  const span = store.get([key])[0]?.record as ZeroSpan | undefined
  return span?.from === from && span.to === to
}

/** Those that are over and were filed, and the one that goes on: no instant lies in two of them. */
export function filedAmiss(service: Service, store: MemoryStore): string | undefined {
  const pk = keys.servicePartition(SCOPE, service.cluster, service.name)
  const spans = store
    .all()
    .filter(({ key }) => key.pk === pk && key.sk.startsWith('zero#') && key.sk.endsWith(service.uid))
    .map((stored) => (stored as Stored<ZeroSpan>).record)
    .sort((a, b) => a.from - b.from)
  if (service.zeros) return `has ${service.zeros.length} times at zero that nobody filed`
  return overlap(spans, service.zeroSince)
}

function overlap(
  all: readonly { from: number; to: number }[],
  since: number | undefined,
): string | undefined {
  const begins = [...all.slice(1).map(({ from }) => from), since ?? Number.POSITIVE_INFINITY]
  const wrong = all.find(({ from, to }, n) => to <= from || begins[n]! < to)
  return wrong && `is at zero from ${wrong.from} to ${wrong.to}, and again before`
}
