/** What a second is billed by: the processor's architecture, and whether it may be taken back (Spot). */
export type Rate = 'x86' | 'arm' | 'x86-spot' | 'arm-spot'

/**
 * Fargate's prices for Linux in us-east-1, in millionths of a dollar per hour: whole numbers, so that sums stay exact
 * (facts: ECS 4.5; numbers 2a). Spot's prices move: x86 as last seen, arm (none was found) at x86's discount,
 * 0.03238 x 0.01244 / 0.04048 = 0.009951. Storage is never on Spot.
 */
export const perHour: Readonly<Record<Rate, { readonly vcpu: number; readonly gib: number }>> = {
  x86: { vcpu: 40_480, gib: 4_445 },
  arm: { vcpu: 32_380, gib: 3_560 },
  'x86-spot': { vcpu: 12_440, gib: 1_370 },
  'arm-spot': { vcpu: 9_951, gib: 1_097 },
}
export const STORAGE_PER_HOUR = 111

export const FREE_STORAGE_GIB = 20
export const SHORTEST_SECONDS = 60

/** What was used, in whole units: CPU units and MiB as ECS writes sizes, times seconds. */
export interface Amounts {
  readonly cpuUnitSeconds: bigint
  readonly mibSeconds: bigint
  /** Of the GiB beyond those that are free. */
  readonly storageGibSeconds: bigint
}

/** What one task holds of capacity: what its bill is made of. */
export interface Size {
  readonly cpuUnits: number
  readonly mib: number
  /** Beyond those that are free. */
  readonly storageGib: number
  /** `none`: it reserves no CPU or no memory, and Fargate has no price for such a task. */
  readonly rate: Rate | 'none'
}

/** The unit of `cost`: with 3,600 seconds and 1,024 units or MiB multiplied out, every cost is a whole number of these. */
export const PARTS_PER_DOLLAR = 1_000_000n * 3_600n * 1_024n

/** Exactly, in parts of a dollar. 256 units for 61 s on x86 are 256 x 61 x 40,480 = 632,135,680 parts, $0.000171. */
export function cost({ cpuUnitSeconds, mibSeconds, storageGibSeconds }: Amounts, rate: Rate): bigint {
  const { vcpu, gib } = perHour[rate]
  return (
    cpuUnitSeconds * BigInt(vcpu) +
    mibSeconds * BigInt(gib) +
    storageGibSeconds * 1_024n * BigInt(STORAGE_PER_HOUR)
  )
}

export interface OneTask {
  readonly vcpu: number
  readonly gib: number
  /** From the start of the image pull to STOPPED. */
  readonly seconds: number
  readonly arm?: boolean | undefined
  readonly storageGib?: number | undefined
}

/** Dollars for one task: billed by the second, rounded up, one minute at least; 20 GiB of storage are free. */
export function price({ vcpu, gib, seconds, arm = false, storageGib = 0 }: OneTask): number {
  const billed = Math.max(SHORTEST_SECONDS, Math.ceil(seconds))
  const whole = (amount: number) => BigInt(Math.round(amount * billed))
  const amounts = {
    cpuUnitSeconds: whole(vcpu * 1_024),
    mibSeconds: whole(gib * 1_024),
    storageGibSeconds: whole(Math.max(0, storageGib - FREE_STORAGE_GIB)),
  }
  return Number(cost(amounts, arm ? 'arm' : 'x86')) / Number(PARTS_PER_DOLLAR)
}
