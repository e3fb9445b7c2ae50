import type { TaskDefinition } from '@aws-sdk/client-ecs'
import * as keys from '../../domain/keys.ts'
import type { Task, TaskDefinitionRecord } from '../../domain/model.ts'
import type { Store } from '../../domain/ports.ts'
import type { Ports } from '../ports.ts'

/** How many revisions one process remembers. */
const MOST = 200

/**
 * What a revision says never changes once it is written (only its status does, which no running task asks for),
 * so a process reads each once: a unit and a round trip less for every look.
 */
const remembered = new WeakMap<Store, Map<string, TaskDefinition>>()

export async function definitionOf(
  task: Pick<Task, 'id' | 'family' | 'revision' | 'registration'>,
  { store, scope }: Ports,
): Promise<TaskDefinition> {
  const known = remembered.get(store) ?? new Map<string, TaskDefinition>()
  remembered.set(store, known)
  const key = keys.revision(scope, task.family, task.revision)
  const name = task.registration && `${key.pk}\n${key.sk}\n${task.registration}`
  const found = name && known.get(name)
  if (found) return found
  const [stored] = await store.get([key])
  if (!stored)
    throw new Error(`Task ${task.id} names ${task.family}:${task.revision}, which is not in the table`)
  const { family, revision, definition: said } = stored.record as TaskDefinitionRecord
  const definition = { ...said, family, revision }
  if (name) {
    if (known.size >= MOST) known.delete(known.keys().next().value!)
    known.set(name, definition)
  }
  return definition
}
