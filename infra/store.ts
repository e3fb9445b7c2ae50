import type { Store } from '../domain/ports.ts'
import type { Config } from './config.ts'
import { dynamoStore } from './dynamo.ts'
import { sqliteStore } from './sqlite.ts'

/** The table that the deployment's configuration names: DynamoDB, or on one machine a file. */
export const openStore = (config: Config): Store =>
  config.local?.tableFile ? sqliteStore(config.local.tableFile) : dynamoStore(config)
