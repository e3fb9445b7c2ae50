import { dueFiring } from './firing.ts'
import type { ScalableTarget } from './model.ts'

/** What scheduled actions come to at one time. */
export interface Fired {
  readonly target: ScalableTarget
  readonly name: string
  readonly description: string
  /** Why it came to nothing. */
  readonly fault?: string
}

/**
 * The next scheduled action whose time has come: its bounds are the target's from then on, and a count outside of
 * them follows. Firings missed while everything was down, or suspended, come to one, or to none.
 */
export function fire(target: ScalableTarget, now: number): Fired | undefined {
  const due = target.actions.flatMap((action) => {
    const one = dueFiring(action, now)
    return one ? [{ action, ...one }] : []
  })
  const [first] = due.sort((a, b) => a.firing.at - b.firing.at)
  if (!first) return undefined
  const { action, firing, after } = first
  const actions = target.actions.map((a) => (a === action ? after : a))
  const min = firing.min ?? target.min
  const max = firing.max ?? target.max
  const description = `Setting min capacity to ${min} and max capacity to ${max}`
  if (target.suspended.scheduled)
    return {
      target: { ...target, actions },
      name: action.name,
      description,
      fault: 'Scheduled scaling is suspended.',
    }
  if (max < min)
    return {
      target: { ...target, actions },
      name: action.name,
      description,
      fault: 'Maximum capacity cannot be less than minimum capacity.',
    }
  return { target: { ...target, actions, min, max }, name: action.name, description }
}
