import type { LogConfiguration } from '@aws-sdk/client-ecs'

/** Where one container's lines go. */
export interface LogPlace {
  readonly group: string
  readonly stream: string
  /** `awslogs-create-group`: the group is made when it is missing; else the task cannot start without it. */
  readonly createGroup: boolean
}

/**
 * The awslogs configuration of a container; `undefined` with any other driver. The stream is
 * `prefix/container/taskId` (facts: ECS 6, awslogs options), and without a prefix `container/taskId`, because
 * the engine's identifier that EC2 would use is not known before the container is made.
 */
export function logPlace(
  configuration: LogConfiguration | undefined,
  container: string,
  taskId: string,
): LogPlace | undefined {
  if (configuration?.logDriver !== 'awslogs') return undefined
  const options = configuration.options ?? {}
  const group = options['awslogs-group']
  if (!group) return undefined
  const prefix = options['awslogs-stream-prefix']
  return {
    group,
    stream: [prefix, container, taskId].filter(Boolean).join('/'),
    createGroup: options['awslogs-create-group'] === 'true',
  }
}
