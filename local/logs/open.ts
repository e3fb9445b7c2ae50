import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import Docker from 'dockerode'
import * as names from '../../infra/capacity/docker/naming.ts'
import type { Log } from '../../infra/log.ts'
import type { AgentLogs } from '../agent/agent.ts'
import type { AwsService } from '../agent/server.ts'
import { followLogs } from './follow.ts'
import { answerLogs, type Where } from './service.ts'
import { openLogStore } from './store.ts'

const EXPIRE_MS = 10 * 60_000

/** The logs of one machine: followed from the engine, kept in the data folder, answered as CloudWatch Logs. */
export function openLogs(
  dataDir: string,
  dockerSocket: string,
  where: Where,
  log: Log,
): AgentLogs & { close(): Promise<void> } {
  const { store, service, close } = keepLogs(dataDir, where, log)
  const follower = followLogs(new Docker({ socketPath: dockerSocket }), store, log)
  return {
    onContainer({ id, labels }) {
      const [group, stream] = [labels[names.LOG_GROUP], labels[names.LOG_STREAM]]
      if (group !== undefined && stream !== undefined) follower.follow(id, { group, stream })
    },
    drained: follower.drained,
    missingGroups: (groups) => groups.filter((name) => store.group(name) === undefined),
    service,
    async close() {
      await follower.close()
      close()
    },
  }
}

/** The logs of one machine without anything that writes them by itself. */
export function keepLogs(dataDir: string, where: Where, log: Log) {
  mkdirSync(dataDir, { recursive: true })
  const store = openLogStore(join(dataDir, 'logs.db'))
  const expire = () => {
    try {
      store.expire(Date.now())
    } catch (error) {
      log('warn', 'Old log events could not be removed and will be later', { error })
    }
  }
  const expiring = setInterval(expire, EXPIRE_MS)
  expiring.unref()
  const service: AwsService = (target, body) =>
    answerLogs(target, body, { store, where, now: Date.now(), log })
  return {
    store,
    service,
    close() {
      clearInterval(expiring)
      store.close()
    },
  }
}
