import { MOST_TASKS } from '../slots.ts'
import type { ScalableTarget } from './model.ts'

/** Within these a service is scaled: its target's own, as far as one service may have so many tasks. 1 to 20,000 is 1 to 5,000. */
export const boundsOf = ({ min, max }: Pick<ScalableTarget, 'min' | 'max'>) => ({
  min: Math.min(min, MOST_TASKS),
  max: Math.min(max, MOST_TASKS),
})
