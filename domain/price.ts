/** Fargate's prices for Linux in us-east-1, dollars per hour (facts: ECS 4.5). */
const perHour = {
  x86: { vcpu: 0.04048, gib: 0.004445 },
  arm: { vcpu: 0.03238, gib: 0.00356 },
} as const

const STORAGE_GIB_PER_HOUR = 0.000111
const FREE_STORAGE_GIB = 20
const SHORTEST_SECONDS = 60

export interface Usage {
  readonly vcpu: number
  readonly gib: number
  /** From the start of the image pull to STOPPED. */
  readonly seconds: number
  readonly arm?: boolean | undefined
  readonly storageGib?: number | undefined
}

/** Dollars for one task: billed by the second, rounded up, one minute at least; 20 GiB of storage are free. */
export function price({ vcpu, gib, seconds, arm = false, storageGib = 0 }: Usage): number {
  const hours = Math.max(SHORTEST_SECONDS, Math.ceil(seconds)) / 3600
  const rate = arm ? perHour.arm : perHour.x86
  const storage = Math.max(0, storageGib - FREE_STORAGE_GIB) * STORAGE_GIB_PER_HOUR
  return hours * (vcpu * rate.vcpu + gib * rate.gib + storage)
}
