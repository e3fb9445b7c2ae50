import { defineConfig } from 'vitest/config'

const project = (name: string, include: string[], more: object = {}) => ({ test: { name, include, ...more } })

export default defineConfig({
  test: {
    projects: [
      project('unit', ['test/unit/**/*.test.ts'], { testTimeout: 60_000 }),
      project('simulation', ['test/simulation/**/*.test.ts'], { testTimeout: 240_000 }),
      // They start processes and containers, and wait for them most of the time: two files side by side.
      project('acceptance', ['test/acceptance/**/*.test.ts'], {
        testTimeout: 60_000,
        hookTimeout: 120_000,
        maxWorkers: 2,
      }),
    ],
  },
})
