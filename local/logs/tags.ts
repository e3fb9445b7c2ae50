import { groupName, groupOf, invalid } from './groups.ts'
import type { LogCall } from './service.ts'
import type { Group } from './store.ts'

/** The older operations name a group, the newer ones its ARN. */
interface Named {
  readonly logGroupName?: string | undefined
  readonly resourceArn?: string | undefined
}

const tagged = (input: Named, call: LogCall): Group =>
  groupOf(
    { logGroupName: input.resourceArn === undefined ? input.logGroupName : groupName(input.resourceArn) },
    call,
  )

export function tag(input: Named & { readonly tags?: Record<string, string> }, call: LogCall): object {
  const group = tagged(input, call)
  const tags = { ...group.tags, ...input.tags }
  if (Object.keys(tags).length > 50) throw invalid('A log group can have 50 tags at most.')
  call.store.setTags(group.name, tags)
  return {}
}

export function untag(
  input: Named & { readonly tags?: string[]; readonly tagKeys?: string[] },
  call: LogCall,
): object {
  const group = tagged(input, call)
  const gone = new Set(input.tagKeys ?? input.tags ?? [])
  call.store.setTags(
    group.name,
    Object.fromEntries(Object.entries(group.tags).filter(([key]) => !gone.has(key))),
  )
  return {}
}

export const listTags = (input: Named, call: LogCall): object => ({ tags: tagged(input, call).tags })
