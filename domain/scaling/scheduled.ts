import { lastDue } from './firing.ts'
import type { ScalableTarget, ScheduledAction } from './model.ts'

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
  const due = target.actions
    .map((action) => ({ action, at: lastDue(action, now) }))
    .filter((one): one is { action: ScheduledAction; at: number } => one.at !== undefined)
    .sort((a, b) => a.at - b.at)
  const [first] = due
  if (!first) return undefined
  const { action, at } = first
  const actions = target.actions.map((a) => (a === action ? { ...a, seen: at } : a))
  const min = action.min ?? target.min
  const max = action.max ?? target.max
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
