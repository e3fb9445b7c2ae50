import { expect, test } from 'vitest'
import { bridgeOf, publishesPorts, type TaskAddresses } from '../../infra/capacity/docker/engine.ts'
import { reachedBy } from '../../infra/capacity/docker/look.ts'
import { shapeOf } from '../../infra/capacity/docker/namespace.ts'

test.each([
  ['Debian GNU/Linux 12', 'linux', [], undefined, false],
  ['Docker Desktop', 'linux', [], undefined, true],
  ['Docker Desktop', 'darwin', [], undefined, true],
  ['Alpine Linux', 'darwin', [], undefined, true],
  ['Debian GNU/Linux 12', 'linux', ['name=seccomp,profile=default', 'name=rootless'], undefined, true],
  ['Debian GNU/Linux 12', 'linux', [], 'published', true],
  ['Docker Desktop', 'darwin', [], 'own', false],
] as [string, NodeJS.Platform, string[], TaskAddresses | undefined, boolean][])(
  'an engine on %s, asked from %s (%s; set: %s): its ports are published: %s',
  (OperatingSystem, platform, SecurityOptions, addresses, published) => {
    expect(publishesPorts({ OperatingSystem, SecurityOptions }, platform, addresses)).toBe(published)
  },
)

test.each([
  ['Debian GNU/Linux 12', 'linux', ['name=seccomp,profile=default'], 'here'],
  ['Debian GNU/Linux 12', 'linux', ['name=rootless'], 'rootless'],
  ['Docker Desktop', 'linux', [], 'other machine'],
  ['Alpine Linux', 'darwin', ['name=rootless'], 'other machine'],
] as [string, NodeJS.Platform, string[], string][])(
  'the bridge of an engine on %s, asked from %s (%s), lies: %s',
  (OperatingSystem, platform, SecurityOptions, where) => {
    expect(bridgeOf({ OperatingSystem, SecurityOptions }, platform)).toBe(where)
  },
)

test('a port for each mapping, at the engine’s choice, and the one asked for in bridge mode', () => {
  const containerDefinitions = [
    {
      portMappings: [
        { containerPort: 80, hostPort: 80 },
        { containerPort: 53, protocol: 'udp' as const },
      ],
    },
  ]
  const chosen = [{ HostIp: '127.0.0.1', HostPort: '' }]
  const ports = (networkMode: 'awsvpc' | 'bridge' | 'none', publishes: boolean) =>
    shapeOf({ networkMode, containerDefinitions }, publishes)?.host.PortBindings
  expect(ports('awsvpc', true)).toEqual({ '80/tcp': chosen, '53/udp': chosen })
  expect(ports('awsvpc', false)).toBeUndefined()
  expect(ports('bridge', true)).toEqual({ '80/tcp': [{ HostPort: '80' }], '53/udp': chosen })
  expect(ports('bridge', false)).toEqual({ '80/tcp': [{ HostPort: '80' }] })
  expect(ports('none', true)).toEqual({})
})

test('ports are said only where they stand for an address, TCP before UDP', () => {
  const networks = { bridge: { IPAddress: '172.17.0.2' } }
  const ports = [
    [53, 'tcp', 4001],
    [53, 'udp', 4002],
    [80, 'tcp', undefined],
  ] as const
  const address = '172.17.0.2'
  expect(reachedBy({ publishes: true }, networks, ports)).toEqual({ address, published: { 53: 4001 } })
  expect(reachedBy({ publishes: false }, networks, ports)).toEqual({ address })
  expect(reachedBy({ publishes: true }, networks, [])).toEqual({ address })
})
