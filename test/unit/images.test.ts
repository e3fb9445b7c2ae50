import { expect, test } from 'vitest'
import { cannotPull, fullReference, isReference, splitReference } from '../../infra/capacity/docker/images.ts'
import { pauseProgram } from '../../infra/capacity/docker/pause-image.ts'
import { isFinal } from '../../local/agent/pulls.ts'

test.each([
  ['alpine', 'docker.io/library/alpine:latest'],
  ['nginx:1.27', 'docker.io/library/nginx:1.27'],
  ['team/app:1', 'docker.io/team/app:1'],
  ['127.0.0.1:5000/app', '127.0.0.1:5000/app:latest'],
  ['localhost/app:2', 'localhost/app:2'],
  ['quay.io/a/b/c:3', 'quay.io/a/b/c:3'],
  ['app:1@sha256:00', 'docker.io/library/app@sha256:00'],
])('%s is in full %s', (image, full) => {
  expect(fullReference(image)).toBe(full)
})

test('an image without a tag is latest, never all of its tags', () => {
  expect(splitReference('127.0.0.1:5000/app')).toEqual({ name: '127.0.0.1:5000/app', tag: 'latest' })
})

test.each<[boolean, string]>([
  [true, 'manifest for 127.0.0.1:5000/app:nope not found: manifest unknown: manifest unknown'],
  [true, "pull access denied for nobody/x, repository does not exist or may require 'docker login'"],
  [true, 'invalid reference format'],
  [false, 'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host'],
  [false, 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused'],
  [false, 'received unexpected HTTP status: 503 Service Unavailable'],
  [false, 'toomanyrequests: You have reached your pull rate limit'],
  [false, 'net/http: TLS handshake timeout'],
  [false, 'something nobody has seen before'],
])('for good %s: %s', (final, words) => {
  expect(isFinal(words)).toBe(final)
})

test('a missing image is told as Fargate tells it', () => {
  const why = 'manifest for x:y not found: manifest unknown'
  expect(cannotPull('x:y', { state: 'failed', why, tries: 5 })).toBe(
    'CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref docker.io/library/x:y: docker.io/library/x:y: not found',
  )
})

test('the pause program is a small ELF executable for both architectures, and no other', () => {
  expect(pauseProgram('amd64')).toHaveLength(129)
  for (const [architecture, machine] of [
    ['amd64', 0x3e],
    ['arm64', 0xb7],
  ] as const) {
    const program = pauseProgram(architecture)
    expect(program.subarray(0, 4).toString('latin1')).toBe('\x7fELF')
    expect(program.readUInt16LE(18)).toBe(machine)
    expect(program.readBigUInt64LE(24) - program.readBigUInt64LE(80)).toBe(120n)
  }
  expect(() => pauseProgram('riscv64')).toThrow('riscv64')
})

test('only what is a reference reaches the engine', () => {
  const digest = `sha256:${'0'.repeat(64)}`
  for (const good of [
    'alpine',
    'a/b-c/d__e:1.2',
    '127.0.0.1:5000/x:Y_1',
    `x@${digest}`,
    `localhost/x:1@${digest}`,
  ])
    expect([good, isReference(good)]).toEqual([good, true])
  for (const bad of [
    '',
    'Not A Reference',
    'Upper',
    '../containers/json',
    'a/../b',
    'x?y',
    'x#y',
    'x:',
    'x:t/y z',
    '/x',
    'x@y',
  ])
    expect([bad, isReference(bad)]).toEqual([bad, false])
})
