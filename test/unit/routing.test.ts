import { describe, expect, test } from 'vitest'
import { attemptMs, choose, mayTryAgain, passOverMs } from '../../domain/balance.ts'
import type { Door, Route, Target } from '../../domain/routing.ts'
import { doorsOf, ownName, shownRoutes, wayOf, wrongDoors } from '../../domain/routing.ts'

const group = (name: string) =>
  `arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/${name}/0123456789abcdef`
const routes = (value: string) => [
  { key: 'team', value: 'shop' },
  { key: 'slipway:routes', value },
]

describe('the doors of a service', () => {
  test('a target group names a host, which leads to the port that the load balancer names', () => {
    const loadBalancers = [
      { targetGroupArn: group('Web-TG'), containerName: 'web', containerPort: 8080 },
      { targetGroupArn: group('admin'), containerName: 'web', containerPort: 9090 },
      { loadBalancerName: 'classic', containerName: 'web' },
    ]
    expect(doorsOf({ loadBalancers, ports: [80] }, undefined)).toEqual([
      { host: 'web-tg.localhost', port: 8080 },
      { host: 'admin.localhost', port: 9090 },
      { host: 'classic.localhost', port: 80 },
    ])
  })

  test('the tag lists hosts, paths and both, which lead to the first port', () => {
    const tags = routes('Shop.example.com  shop.localhost:4567/cart/ /api /')
    expect(doorsOf({ ports: [3000, 3001] }, tags)).toEqual([
      { host: 'shop.example.com', port: 3000 },
      { host: 'shop.localhost', path: '/cart', port: 3000 },
      { path: '/api', port: 3000 },
      { path: '/', port: 3000 },
    ])
  })

  test('each door is there once, and the target group has it first', () => {
    const loadBalancers = [{ targetGroupArn: group('web'), containerPort: 8080 }]
    expect(doorsOf({ loadBalancers, ports: [80] }, routes('web.localhost web.localhost/ /a /a/'))).toEqual([
      { host: 'web.localhost', port: 8080 },
      { host: 'web.localhost', path: '/', port: 80 },
      { path: '/a', port: 80 },
    ])
  })

  test('without a port a tag opens nothing, and what is no door is told', () => {
    expect(doorsOf({ ports: [] }, routes('shop.localhost'))).toEqual([])
    const tags = routes('ok.localhost -bad.localhost a..b http://x/y /q?x=1 @ +')
    expect(doorsOf({ ports: [80] }, tags)).toEqual([{ host: 'ok.localhost', port: 80 }])
    expect(wrongDoors(tags)).toEqual(['-bad.localhost', 'a..b', 'http://x/y', '/q?x=1', '@', '+'])
    expect(wrongDoors(undefined)).toEqual([])
  })
})

const route = (service: string, doors: Door[] = [], createdAt = 1): Route => ({
  service,
  cluster: 'demo',
  uid: service,
  createdAt,
  doors,
  port: 80,
  targets: [],
})

describe('which service a request is for', () => {
  const all = [
    route('shop', [
      { host: 'shop.com', port: 81 },
      { host: 'shop.com', path: '/cart', port: 82 },
      { path: '/api', port: 83 },
    ]),
    route('cart', [{ host: 'shop.com', path: '/cart/v2', port: 84 }]),
    route('thief', [{ host: 'shop.demo.localhost', port: 85 }]),
  ]
  const leads = (host: string, path = '/') => {
    const way = wayOf(all, host, path)
    return way && `${way.service}:${way.port}`
  }

  test('its own name beats every door, whatever its case and port', () => {
    expect(leads('shop.demo.localhost')).toBe('shop:80')
    expect(leads('SHOP.demo.localhost.:4567', '/api')).toBe('shop:80')
  })

  test('of the doors of a host the longest path prefix decides, by whole names', () => {
    expect(leads('shop.com', '/')).toBe('shop:81')
    expect(leads('shop.com', '/cart')).toBe('shop:82')
    expect(leads('shop.com', '/cart?x=/cart/v2')).toBe('shop:82')
    expect(leads('shop.com', '/cart/v2/items')).toBe('cart:84')
    expect(leads('shop.com', '/cartoon')).toBe('shop:81')
  })

  test('doors without a host take the hosts that no route names, and only those', () => {
    expect(leads('127.0.0.1:4567', '/api/x')).toBe('shop:83')
    expect(leads('other.com', '/apis')).toBeUndefined()
    expect(leads('other.com')).toBeUndefined()
    expect(leads('shop.com', '/api')).toBe('shop:81')
    expect(leads('')).toBeUndefined()
  })

  test('of two services with the same door the older one keeps it', () => {
    const door = [{ host: 'same.com', port: 1 }]
    const pair = [route('young', door, 2), route('old', door, 1)]
    expect(wayOf(pair, 'same.com', '/')?.service).toBe('old')
    expect(wayOf(pair.toReversed(), 'same.com', '/')?.service).toBe('old')
  })

  test('a name as it was sent is taken apart as it was sent', () => {
    expect(ownName('My_Api.Prod-1.localhost:4567')).toEqual({ service: 'My_Api', cluster: 'Prod-1' })
    for (const host of ['a.localhost', 'a.b.c.localhost', 'a.b.example.com', 'a..localhost', ''])
      expect(ownName(host)).toBeUndefined()
  })

  test('routes are shown as they would be typed', () => {
    expect(shownRoutes(all)).toEqual([
      '/api',
      'cart.demo.localhost',
      'shop.com',
      'shop.com/cart',
      'shop.com/cart/v2',
      'shop.demo.localhost',
      'shop.demo.localhost',
      'thief.demo.localhost',
    ])
  })
})

describe('which task a request goes to', () => {
  const target = (task: string, port = 80): Target => ({ task, host: '10.0.0.1', ports: { [port]: port } })
  const targets = [target('a'), target('b'), target('c')]
  const nobody = () => false
  const load =
    (counts: Record<string, number>) =>
    (task: string): number =>
      counts[task] ?? 0

  test('the one with the fewest in flight', () => {
    for (let turn = 0; turn < 4; turn++)
      expect(choose(targets, 80, load({ a: 2, b: 1, c: 3 }), nobody, turn)?.task).toBe('b')
  })

  test('of several with as few, each in its turn', () => {
    const chosen = [0, 1, 2, 3, 4, 5].map((turn) => choose(targets, 80, load({ b: 9 }), nobody, turn)?.task)
    expect(chosen).toEqual(['a', 'c', 'c', 'a', 'c', 'c'])
    expect([0, 1, 2].map((turn) => choose(targets, 80, load({}), nobody, turn)?.task)).toEqual([
      'a',
      'b',
      'c',
    ])
  })

  test('not one that has just refused, not one without the port, and none where none is left', () => {
    expect(choose(targets, 80, load({}), (task) => task !== 'c', 0)?.task).toBe('c')
    expect(choose([target('a'), target('b', 81)], 81, load({ b: 5 }), nobody, 0)?.task).toBe('b')
    expect(choose(targets, 80, load({}), () => true, 0)).toBeUndefined()
    expect(choose([], 80, load({}), nobody, 7)).toBeUndefined()
  })

  test('a task that goes on refusing is passed over for longer, a second at most', () => {
    expect([0, 100, 300, 2_000, 10_000, 60_000].map(passOverMs)).toEqual([15, 15, 30, 200, 1_000, 1_000])
  })

  test('a call that was not heard is made anew within 25 ms, and four times a second in the end', () => {
    expect([0, 1, 2, 3, 4, 5, 100].map(attemptMs)).toEqual([25, 50, 100, 200, 250, 250, 250])
  })
})

describe('whether a request that failed is tried again', () => {
  const failed = { method: 'GET', at: 'sent', bodyBegun: false, sends: 1 } as const
  test('always, when nothing was sent', () => {
    expect(mayTryAgain({ method: 'POST', at: 'connecting', bodyBegun: true, sends: 9 })).toBe(true)
  })
  test('when it was sent: if doing it twice is as good as doing it once, and its body is still there', () => {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
      expect([method, mayTryAgain({ ...failed, method })]).toEqual([method, true])
    for (const method of ['POST', 'PATCH', 'PURGE'])
      expect([method, mayTryAgain({ ...failed, method })]).toEqual([method, false])
    expect(mayTryAgain({ ...failed, method: 'PUT', bodyBegun: true })).toBe(false)
  })
  test('three times at most, and never once an answer has begun', () => {
    expect([1, 2, 3].map((sends) => mayTryAgain({ ...failed, sends }))).toEqual([true, true, false])
    expect(mayTryAgain({ ...failed, at: 'answering' })).toBe(false)
  })
})
