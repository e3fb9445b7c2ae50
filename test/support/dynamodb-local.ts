import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { CreateTableCommand } from '@aws-sdk/client-dynamodb'
import { dynamoClient } from '../../infra/dynamo.ts'
import { tableShape } from './table-shape.ts'

const run = promisify(execFile)
/** 3.x wants a newer Java than Debian's, or does not resolve (facts: local stack 4). Its licence allows tests, not shipping. */
const VERSION = '2.6.1'
const home = join(
  process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'slipway',
  `dynamodb-local-${VERSION}`,
)

export interface DynamoDbLocal {
  readonly endpoint: string
  /** A new table as serverless.yml declares it. */
  createTable(name: string): Promise<void>
  close(): Promise<void>
}

/**
 * DynamoDB's own local server for tests that need one. With `CI` set its absence is a failure; otherwise such
 * tests are skipped by name, with this reason.
 */
export async function dynamoDbLocalOrReason(): Promise<{ jars: string } | { reason: string }> {
  try {
    return { jars: await fetched() }
  } catch (error) {
    if (process.env.CI) throw error
    return { reason: error instanceof Error ? error.message : String(error) }
  }
}

/** Its own process on a free port of loopback, in memory; it ends with this process or with `close`. */
export async function openDynamoDbLocal(jars: string): Promise<DynamoDbLocal> {
  const java = spawn(
    'java',
    [
      '-XX:TieredStopAtLevel=1',
      '-Xmx512m',
      `-Djava.library.path=${jars}`,
      '-cp',
      join(jars, '*'),
      join(import.meta.dirname, 'LoopbackTable.java'),
    ],
    { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, DDB_LOCAL_TELEMETRY: '0' } },
  )
  const endpoint = `http://127.0.0.1:${await portOf(java)}`
  const client = dynamoClient({ region: 'us-east-1', endpoint })
  return {
    endpoint,
    async createTable(name) {
      await client.send(new CreateTableCommand(structuredClone({ TableName: name, ...tableShape }) as never))
    },
    async close() {
      client.destroy()
      const ended = new Promise((done) => java.once('exit', done))
      java.stdin.end()
      await ended
    },
  }
}

function portOf(java: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let printed = ''
    java.stderr!.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
    })
    createInterface({ input: java.stdout! }).on('line', (line) => {
      printed += `${line}\n`
      const port = /^port=(\d+)$/.exec(line)?.[1]
      if (port) resolve(Number(port))
    })
    java.once('error', reject)
    java.once('exit', (code) => reject(new Error(`DynamoDB local ended with ${code}:\n${printed}`)))
  })
}

/** Where its jars are, fetched once through Maven; throws the reason why there are none. */
async function fetched(): Promise<string> {
  if (!(await runs('java', '-version')))
    throw new Error('no java on the PATH, which DynamoDB local needs (17 or newer)')
  if (existsSync(home)) return home
  if (!(await runs('mvn', '-version')))
    throw new Error('no mvn on the PATH, which fetches DynamoDB local from Maven Central')
  mkdirSync(join(home, '..'), { recursive: true })
  const work = mkdtempSync(`${home}-`)
  try {
    writeFileSync(join(work, 'pom.xml'), pom)
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', '-DoutputDirectory=jars']
    await run('mvn', ['-B', '-q', '-f', join(work, 'pom.xml'), ...goal], { timeout: 180_000 })
    try {
      renameSync(join(work, 'jars'), home)
    } catch (error) {
      // Someone else was faster.
      if (!existsSync(home)) throw error
    }
    return home
  } catch (cause) {
    throw new Error(
      `DynamoDB local could not be fetched from Maven Central: ${cause instanceof Error ? cause.message.slice(0, 500) : String(cause)}`,
      { cause },
    )
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

async function runs(command: string, ...args: string[]): Promise<boolean> {
  try {
    await run(command, args)
    return true
  } catch {
    return false
  }
}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>slipway</groupId><artifactId>dynamodb-local</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency>
  <groupId>com.amazonaws</groupId><artifactId>DynamoDBLocal</artifactId><version>${VERSION}</version>
</dependency></dependencies></project>
`
