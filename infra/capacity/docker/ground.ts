import type { Limits } from '../limits.ts'
import type { AgentClient } from './agent-client.ts'
import type { Engine } from './engine.ts'
import type { ImagesSeen } from './images.ts'
import type { Pool } from './namespace.ts'
import type { Room } from './room.ts'

/** What one driver works with. Pool and images are hints that the engine's own answers correct. */
export interface Ground {
  readonly engine: Engine
  readonly installation: string
  readonly agent?: AgentClient | undefined
  readonly taskEndpoint?: string | undefined
  readonly pool: Pool
  readonly images: ImagesSeen
  readonly room: Room
  readonly limits: Limits
  /** Since when containers made ahead are known to be claimed, by identifier. */
  readonly claimed: Map<string, number>
}
