import { expect, it } from 'vitest'
import { refuseForeign } from '../../infra/auth/origin.ts'

it.each([
  { host: '127.0.0.1:4566' },
  { host: 'localhost' },
  { host: '[::1]:4566' },
  { host: 'web.demo.localhost:4567' },
  { host: 'localhost:4566', origin: 'http://localhost:3000' },
  { host: '127.0.0.1:4566', origin: 'http://127.0.0.1:4566', 'sec-fetch-site': 'same-origin' },
])('a program or a page of this machine may call: %j', (headers) => {
  expect(refuseForeign(headers)).toBeUndefined()
})

it.each([
  {},
  { host: 'evil.example:4566' },
  { host: '127.0.0.1.evil.example' },
  { host: 'evil-localhost' },
  { host: '10.0.0.1:4566' },
  { host: 'localhost:4566', origin: 'https://evil.example' },
  { host: 'localhost:4566', origin: 'null' },
  { host: 'localhost:4566', origin: 'http://localhost.evil.example' },
  { host: 'localhost:4566', origin: 'file://' },
  { host: 'localhost:4566', 'sec-fetch-site': 'cross-site' },
])('a page from elsewhere, or a name rebound to this machine, may not: %j', (headers) => {
  expect(refuseForeign(headers)).toMatchObject({ type: 'AccessDeniedException', status: 403 })
})

const TASKS = 'host.docker.internal:4566'

it.each([{ host: TASKS }, { host: 'Host.Docker.Internal:4566' }, { host: '127.0.0.1:4566' }])(
  'a task may call by its name for the machine, and the machine as ever: %j',
  (headers) => {
    expect(refuseForeign(headers, TASKS)).toBeUndefined()
  },
)

it.each([
  { host: 'host.docker.internal' },
  { host: 'host.docker.internal:4567' },
  { host: 'host.docker.internal:4566.evil.example' },
  { host: 'x.host.docker.internal:4566' },
  { host: '172.17.0.1:4566' },
  { host: TASKS, origin: 'https://evil.example' },
  { host: TASKS, origin: `http://${TASKS}` },
  { host: TASKS, 'sec-fetch-site': 'cross-site' },
])('no other name is a task’s, and a page is not a task: %j', (headers) => {
  expect(refuseForeign(headers, TASKS)).toMatchObject({ type: 'AccessDeniedException', status: 403 })
})

it('a task is refused where only the machine itself may ask', () => {
  expect(refuseForeign({ host: TASKS })).toMatchObject({ status: 403 })
})
